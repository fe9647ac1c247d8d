# Nuclei of other programs, which the slide sheet names.


# In place of the steps from `tile` to `stitch`, where another program has found the nuclei.
rule import:
    input:
        slide=slide_file,
        nuclei=lambda wildcards: str(SLIDES[wildcards.slide].nuclei),
        mask=slide_mask,
    output:
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        tissue=OUTPUT / "{slide}" / "tissue.geojson",
        seams=OUTPUT / "{slide}" / "seams.json",
    log:
        OUTPUT / "logs" / "{slide}" / "import.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "import.tsv"
    wildcard_constraints:
        slide=any_of(IMPORTED),
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("import"),
        runtime=CAPS.runtime("import"),
    params:
        settings=nuc.result_flags(CONFIG.tile),
        mpp=slide_mpp,
        scene=slide_scene,
        tissue=slide_tissue,
        nuclei=nuclei_flags,
        fingerprint=lambda wildcards: FINGERPRINTS[wildcards.slide],
        version=nuc.RESULT_VERSION,
    shell:
        "nucwsi import {input.nuclei:q} --slide {input.slide:q} -o {output.nuclei:q}"
        " --tissue-output {output.tissue:q} --seams {output.seams:q} --name {wildcards.slide}"
        " {params.mpp} {params.scene} {params.nuclei} {params.settings} {params.tissue}"
        " --threads {threads} 2> {log:q}"
