"""What a reader can do, each with its key: values that the panel turns into buttons and shortcuts."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ACTIONS", "Action"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do.

    Parameters
    ----------
    name
        The panel's method.
    key
        As Qt spells it. napari's own keys (P, E, Z, [, ], Ctrl+Z) are left what they are to it.
    text
        On the button; empty for a key alone.
    tip
        What it does, in a sentence.
    """

    name: str
    key: str
    text: str
    tip: str


ACTIONS = (
    Action("next_lesion", "J", "Next lesion", "Jump to the next lesion in every exam."),
    Action("previous_lesion", "Shift+J", "", "Jump to the previous lesion in every exam."),
    Action("next_exam", "T", "Next exam", "Make the next exam the current one: accept, reject and brush are about it."),
    Action("previous_exam", "Shift+T", "", "Make the previous exam the current one."),
    Action("paint", "P", "Paint", "Paint the current lesion; [ and ] change the brush, Ctrl+Z undoes."),
    Action("erase", "E", "Erase", "Erase the current lesion."),
    Action(
        "correct", "C", "Correct", "Click where the outline is wrong: it moves there, and less beside it. Again to end."
    ),
    Action("lay_down", "Z", "Move", "Put the brush down: drag to move, wheel to zoom."),
    Action("outlines", "O", "Outlines", "Outlines, or filled areas."),
    Action("material", "M", "Material", "Show or hide cement and other material."),
    Action("plane", "Shift+P", "Plane", "Axial, coronal, sagittal sections in turn."),
    Action("accept", "A", "Accept", "This outline is right: its figures count."),
    Action(
        "reject", "R", "Reject", "This outline is wrong: it gives no figures and no later exam is followed from it."
    ),
    Action("confirm_link", "I", "Confirm link", "This mask shows the lesion under which it stands."),
    Action("choose_lesion", "Shift+I", "Whose is it?", "Say which lesion this mask shows, or that it is a new one."),
    Action("withdraw", "U", "Undecide", "Take back what was said of this mask and is not saved yet."),
    Action("save", "S", "Save", "Keep outlines and verdicts as revisions; the figures follow."),
    Action("save", "Ctrl+S", "", "As S."),
)
