include: "workflow/Snakefile"


# Without a default target, a Snakefile that only includes another plans no job.
if workflow.modifier.is_main_snakefile():
    workflow.default_target = "all"
