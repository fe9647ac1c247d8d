# One job takes several slides through all steps: its command starts this workflow for them alone,
# with the rules of slide.smk. What those make is theirs; here, each slide has a mark.


if workflow.is_main_process:
    BATCHES.forget_incomplete({slide: files_of(slide) for slide in SLIDES})


wildcard_constraints:
    batch=any_of(BATCHES),


rule batch:
    input:
        batch_slides,
        batch_inputs,
    output:
        temp(touch(BATCHES.stamp("{batch}"))),
    log:
        OUTPUT / "logs" / "batch.{batch}.log",
    benchmark:
        OUTPUT / "benchmarks" / "batch.{batch}.tsv"
    conda:
        "../../envs/nucwsi-gpu.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=CAPS.batch_memory(BATCHES),
        runtime=CAPS.batch_runtime(BATCHES),
        disk_mb=CAPS.batch_disk(BATCHES),
    params:
        slides=lambda wildcards: BATCHES[wildcards.batch],
        made_of=lambda wildcards: list(map(made_of, BATCHES[wildcards.batch])),
        configuration=json.dumps(config),
        storage=storage_flags,
    shell:
        "nucwsi batch {params.slides:q} --configuration {params.configuration:q}"
        " --threads {threads} --memory {resources.mem_mb} --gpus {resources.gpu}"
        " {params.storage}"
        " > {log:q} 2>&1"


# No command: the batch has made the results, and Snakemake touches the mark.
rule batched:
    input:
        ancient(lambda wildcards: BATCHES.stamp_of(wildcards.slide)),
        slide_in_storage,
        batch_inputs,
    output:
        touch(BATCHES.mark("{slide}")),
    params:
        made_of=lambda wildcards: made_of(wildcards.slide),
