"""Exercises of chapter 40: a muxer, leaky queues, damage, capacity, and latency stage by stage."""

from .decodable import decodable
from .latency_breakdown import latency_breakdown
from .leaky_queue import leaky_queue
from .max_streams import max_streams
from .mux_batches import mux_batches

EXERCISES = [mux_batches, leaky_queue, decodable, max_streams, latency_breakdown]
