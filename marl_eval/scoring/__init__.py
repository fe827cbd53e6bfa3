"""From stored completions to grades: reading them, grading them, and laying them out in rows."""
