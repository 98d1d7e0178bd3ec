"""The one border between physical units and normalized arrays: config, plan of an answer, fixed shapes, the Processor."""

from rsfm.processor.config import HeadSlots, ProcessorConfig
from rsfm.processor.plan import Plan
from rsfm.processor.processor import Processor

__all__ = ["HeadSlots", "Plan", "Processor", "ProcessorConfig"]
