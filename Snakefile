include: "workflow/Snakefile"


# Without a default target, a Snakefile that only includes another plans no job.
workflow.default_target = "all"
