"""Probes: the only course code that runs beside a learner's answer.

A probe asks an answer something and returns plain data; it holds no reference and no verdict.
This package imports nothing of the course outside itself, so it can be copied alone into a sandbox.
"""
