"""One page on a training run, report.html: what was trained on what, how it went, what it gets right and wrong."""

from rsfm.scoring.report.build import Judged, judged, write_report

__all__ = ["Judged", "judged", "write_report"]
