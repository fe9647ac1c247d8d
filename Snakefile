include: "workflow/Snakefile"


# An include alone plans nothing.
workflow.default_target = "all"
