"""Files of a review: worklists that are drawn, and answers that come back.

Here is only what files look like; which answers count, and for how much, is decided in `review`
and in the steps.
"""
