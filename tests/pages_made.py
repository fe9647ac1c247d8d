"""Reports of assessments, without files; slides like one that was assessed."""

from shown import HOSTILE, Page

from nucwsi.report.group_section import group_section
from nucwsi.report.page import report_page
from nucwsi.report.run import Run
from nucwsi.report.slide_row import Files, slide_row

RUN = Run("2026-01-31", "0.0", (), 1, 0.5, {"nucwsi": "0.0"}, [])


def page_of(*assessments, max_slides=100, files=None, run=RUN, compare="", **limits):
    """The report's text, and what a browser reads in it."""
    rows = [slide_row(assessment, files or Files()) for assessment in assessments]
    classes = assessments[0].facts.classes
    groups = [group_section(rows, classes, compare, "patient", "")] if compare else []
    text = report_page(
        rows, lambda at: assessments[at], run, groups, max_slides=max_slides, **limits
    )
    return text, Page(text)


def changed(assessment, name, **quality):
    """Another slide, like one that was assessed."""
    return assessment.model_copy(
        update={
            "facts": assessment.facts.with_(slide=name),
            "quality": assessment.quality.model_copy(update=quality),
        }
    )


def grouped(assessment, n=8):
    """Slides of two groups with hostile names; in the second there are more nuclei."""
    slides = []
    for at in range(n):
        further = {
            "patient": f"{HOSTILE[at // 2 % len(HOSTILE)]}{at}",
            "group": HOSTILE[at % 2],
            HOSTILE[2]: "é" * 200,
        }
        slide = changed(assessment, f"slide{at}")
        slides.append(slide.model_copy(update={"further": further}))
    return slides
