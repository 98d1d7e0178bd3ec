"""The one border between physical units and normalized arrays: config, what was taught and asked, fixed shapes, the Processor."""

from rsfm.processor.asked import Asked
from rsfm.processor.config import HeadSlots, ProcessorConfig
from rsfm.processor.processor import Processor
from rsfm.processor.taught import Taught, View, view_of
from rsfm.tasks import Plan

__all__ = ["Asked", "HeadSlots", "Plan", "Processor", "ProcessorConfig", "Taught", "View", "view_of"]
