"""Queues, batching and servers."""
