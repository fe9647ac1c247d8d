# The second, smaller workflow: `snakemake ensemble` trains the members of config/ensemble.yaml.

try:
    ENSEMBLE = nuc.load_ensemble(Path("config/ensemble.yaml"))
    MANIFESTS = nuc.manifest_files(ENSEMBLE)
except NucwsiError as error:
    raise WorkflowError(str(error)) from None

CHECKPOINTS = Path(ENSEMBLE.output)


rule ensemble:
    input:
        collect(CHECKPOINTS / "{member}.safetensors", member=ENSEMBLE.members),


rule train:
    input:
        data=MANIFESTS,
        networks=lambda wildcards: nuc.network_files(ENSEMBLE.members[wildcards.member]),
    output:
        checkpoint=CHECKPOINTS / "{member}.safetensors",
        card=CHECKPOINTS / "{member}.md",
        curves=CHECKPOINTS / "{member}.curves.csv",
    log:
        CHECKPOINTS / "logs" / "train.{member}.log",
    benchmark:
        CHECKPOINTS / "benchmarks" / "train.{member}.tsv"
    conda:
        "../../envs/nucwsi-gpu.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=lambda wildcards, attempt: 8000 * attempt,
        runtime=lambda wildcards, attempt: 1440 * attempt,
    params:
        settings=lambda wildcards: nuc.result_flags(ENSEMBLE.members[wildcards.member]),
    shell:
        "nucwsi train {input.data:q} -o {output.checkpoint:q} {params.settings} --threads {threads}"
        " 2> {log:q}"
