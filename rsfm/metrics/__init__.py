"""Scores as plain numpy functions, and their bootstrap intervals: numbers, labels, maps, sentences, boxes, retrieval."""

from rsfm.metrics.answers import all_right, is_refusal, is_right, normalized, number_bin, number_in
from rsfm.metrics.bleu import COCO_FLOOR, bleu, bleu4, bleu_statistics
from rsfm.metrics.bootstrap import Metric, bootstrap_interval
from rsfm.metrics.boxes import DETECTION_BETTER, DETECTION_METRICS, box_average_precision
from rsfm.metrics.captions import CAPTION_METRICS, caption_statistics
from rsfm.metrics.cider import cider_d
from rsfm.metrics.grounding import horizontal_iou, matched, oriented_iou
from rsfm.metrics.labels import accuracy, average_precision, f1, macro_f1, mean_average_precision, micro_f1
from rsfm.metrics.maps import confusion_matrix, kappa, mean_class_accuracy, mean_iou, overall_accuracy
from rsfm.metrics.meteor import has_meteor, meteor
from rsfm.metrics.numbers import interval_coverage, mae, r2, rmse
from rsfm.metrics.retrieval import first_ranks, recall_at, retrieval_scores
from rsfm.metrics.rouge import rouge_l
from rsfm.metrics.tokens import blanks, ngrams, treebank, words

__all__ = [
    "CAPTION_METRICS",
    "COCO_FLOOR",
    "DETECTION_BETTER",
    "DETECTION_METRICS",
    "Metric",
    "accuracy",
    "all_right",
    "average_precision",
    "blanks",
    "box_average_precision",
    "bleu",
    "bleu4",
    "bleu_statistics",
    "bootstrap_interval",
    "caption_statistics",
    "cider_d",
    "confusion_matrix",
    "f1",
    "first_ranks",
    "has_meteor",
    "horizontal_iou",
    "interval_coverage",
    "is_refusal",
    "is_right",
    "kappa",
    "macro_f1",
    "mae",
    "matched",
    "mean_average_precision",
    "mean_class_accuracy",
    "mean_iou",
    "meteor",
    "micro_f1",
    "ngrams",
    "normalized",
    "number_bin",
    "number_in",
    "oriented_iou",
    "overall_accuracy",
    "r2",
    "recall_at",
    "retrieval_scores",
    "rmse",
    "rouge_l",
    "treebank",
    "words",
]
