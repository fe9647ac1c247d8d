# The steps of one slide, in the order of the pipeline. Rule `x` calls `nucwsi x` with the settings of
# section `x`. A change of `params` makes jobs rerun, so these hold what affects results; `resources`
# and `threads` hold what affects the speed alone.


include: "import.smk"


rule tile:
    input:
        slide=slide_file,
        mask=slide_mask,
        regions=lambda wildcards: (
            slide_regions(wildcards) if CONFIG.tile.only_regions else []
        ),
    output:
        tiles=temp(OUTPUT / "{slide}" / "tiles.zarr.zip"),
        tissue=OUTPUT / "{slide}" / "tissue.geojson",
    log:
        OUTPUT / "logs" / "{slide}" / "tile.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "tile.tsv"
    wildcard_constraints:
        slide=any_of(ANALYSED),
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("tile"),
        runtime=CAPS.runtime("tile"),
    params:
        settings=nuc.result_flags(CONFIG.tile),
        members=nuc.member_flags(CONFIG),
        mpp=slide_mpp,
        scene=slide_scene,
        tissue=slide_tissue,
        regions=lambda wildcards, input: nuc.flags("--regions", input.regions),
        key=MEMBERS_KEY,
        # A slide replaced under its name is analysed anew; to touch it is free.
        fingerprint=lambda wildcards: FINGERPRINTS[wildcards.slide],
    shell:
        "nucwsi tile {input.slide:q} -o {output.tiles:q} --tissue-output {output.tissue:q}"
        " --name {wildcards.slide} {params.mpp} {params.scene} {params.members} {params.settings}"
        " {params.tissue} {params.regions} --threads {threads} 2> {log:q}"


rule predict:
    input:
        OUTPUT / "{slide}" / "tiles.zarr.zip",
    output:
        OUTPUT / "{slide}" / "maps" / "{part}.zarr.zip",
    log:
        OUTPUT / "logs" / "{slide}" / "predict.{part}.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "predict.{part}.tsv"
    conda:
        "../../envs/nucwsi-gpu.yaml"
    threads: 8
    resources:
        gpu=1,
        mem_mb=CAPS.memory("predict"),
        runtime=CAPS.runtime("predict"),
        speed=nuc.speed_flags(CONFIG.predict),
    params:
        settings=nuc.result_flags(CONFIG.predict),
        members=nuc.member_flags(CONFIG),
        band=band,
        key=MEMBERS_KEY,
    shell:
        "nucwsi predict {input:q} -o {output:q} {params.members} {params.band} {params.settings}"
        " {resources.speed} --threads {threads} 2> {log:q}"


rule segment:
    input:
        # The maps of all parts, because a nucleus may reach into the next part.
        collect(OUTPUT / "{{slide}}" / "maps" / "{part}.zarr.zip", part=PARTS),
    output:
        temp(OUTPUT / "{slide}" / "nuclei" / "{part}.parquet"),
    log:
        OUTPUT / "logs" / "{slide}" / "segment.{part}.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "segment.{part}.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("segment"),
        runtime=CAPS.runtime("segment"),
    params:
        settings=nuc.result_flags(CONFIG.segment),
        band=band,
        key=MEMBERS_KEY,
    shell:
        "nucwsi segment {input:q} -o {output:q} {params.band} {params.settings}"
        " --threads {threads} 2> {log:q}"


rule stitch:
    input:
        collect(OUTPUT / "{{slide}}" / "nuclei" / "{part}.parquet", part=PARTS),
    output:
        # With a classifier, the nuclei that all else is made of come from `classify`.
        nuclei=OUTPUT
        / "{slide}"
        / ("network.parquet" if CONFIG.classifier else "nuclei.parquet"),
        seams=OUTPUT / "{slide}" / "seams.json",
    log:
        OUTPUT / "logs" / "{slide}" / "stitch.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "stitch.tsv"
    wildcard_constraints:
        slide=any_of(ANALYSED),
    conda:
        "../../envs/nucwsi-cpu.yaml"
    resources:
        mem_mb=CAPS.memory("stitch"),
        runtime=CAPS.runtime("stitch"),
        speed=nuc.speed_flags(CONFIG.stitch),
    shell:
        "nucwsi stitch {input:q} -o {output.nuclei:q} --seams {output.seams:q} {resources.speed}"
        " 2> {log:q}"


rule features:
    input:
        slide=slide_file,
        nuclei=found_nuclei,
    output:
        OUTPUT / "{slide}" / "features.parquet",
    log:
        OUTPUT / "logs" / "{slide}" / "features.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "features.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("features"),
        runtime=CAPS.runtime("features"),
    shell:
        "nucwsi features {input.slide:q} {input.nuclei:q} -o {output:q} --threads {threads}"
        " 2> {log:q}"


if CONFIG.classifier:

    rule classify:
        input:
            slide=slide_file,
            nuclei=rules.stitch.output.nuclei,
            features=rules.features.output if CONFIG.features else [],
            classifier=lambda wildcards: CONFIG.classifier,
        output:
            OUTPUT / "{slide}" / "nuclei.parquet",
        log:
            OUTPUT / "logs" / "{slide}" / "classify.log",
        benchmark:
            OUTPUT / "benchmarks" / "{slide}" / "classify.tsv"
        wildcard_constraints:
            slide=any_of(ANALYSED),
        conda:
            "../../envs/nucwsi-cpu.yaml"
        threads: 2
        resources:
            mem_mb=CAPS.memory("classify"),
            runtime=CAPS.runtime("classify"),
        params:
            features=lambda wildcards, input: nuc.flags("--features", input.features),
        shell:
            "nucwsi classify {input.slide:q} {input.nuclei:q} --classifier {input.classifier:q}"
            " -o {output:q} {params.features} --threads {threads} 2> {log:q}"


rule compose:
    input:
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        tissue=OUTPUT / "{slide}" / "tissue.geojson",
        regions=slide_regions,
    output:
        table=OUTPUT / "{slide}" / "composition.csv",
        morphometry=OUTPUT / "{slide}" / "morphometry.csv",
        neighbours=(
            OUTPUT / "{slide}" / "neighbours.csv" if "neighbours" in TABLES else []
        ),
        geojson=OUTPUT / "{slide}" / "{slide}.regions.geojson",
    log:
        OUTPUT / "logs" / "{slide}" / "compose.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "compose.tsv"
    wildcard_constraints:
        slide=any_of(name for name in SLIDES if name not in REVIEWED),
    conda:
        "../../envs/nucwsi-cpu.yaml"
    resources:
        mem_mb=CAPS.memory("compose"),
        runtime=CAPS.runtime("compose"),
    params:
        settings=nuc.result_flags(CONFIG.compose),
        regions=lambda wildcards: nuc.flags(
            "--regions", SLIDES[wildcards.slide].regions
        ),
        beside=lambda wildcards: "--beside" if SLIDES[wildcards.slide].beside else "",
        neighbours=lambda wildcards, output: nuc.flags(
            "--neighbours", output.neighbours
        ),
        further=lambda wildcards: nuc.pair_flags(
            "--further", SLIDES[wildcards.slide].further
        ),
        # No input: an archived slide stops nothing.
        slide=slide_flag,
    shell:
        "nucwsi compose {input.nuclei:q} --tissue {input.tissue:q} {params.regions}"
        " {params.beside} {params.slide}"
        " -o {output.table:q} --geojson {output.geojson:q} --morphometry {output.morphometry:q}"
        " {params.neighbours} {params.further} {params.settings} 2> {log:q}"


# Of a slide with answers, `correct` makes the table and the regions, from those of `compose`.
use rule compose as compose_reviewed with:
    output:
        table=OUTPUT / "{slide}" / "composed" / "composition.csv",
        morphometry=OUTPUT / "{slide}" / "morphometry.csv",
        neighbours=(
            OUTPUT / "{slide}" / "neighbours.csv" if "neighbours" in TABLES else []
        ),
        geojson=OUTPUT / "{slide}" / "composed" / "{slide}.regions.geojson",
    wildcard_constraints:
        slide=any_of(REVIEWED),


rule correct:
    input:
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        table=OUTPUT / "{slide}" / "composed" / "composition.csv",
        geojson=OUTPUT / "{slide}" / "composed" / "{slide}.regions.geojson",
        answers=lambda wildcards: [
            str(path) for path in SLIDES[wildcards.slide].answers
        ],
    output:
        table=OUTPUT / "{slide}" / "composition.csv",
        geojson=OUTPUT / "{slide}" / "{slide}.regions.geojson",
        confusion=OUTPUT / "{slide}" / "confusion.csv",
        record=OUTPUT / "{slide}" / "corrected.json",
    log:
        OUTPUT / "logs" / "{slide}" / "correct.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "correct.tsv"
    wildcard_constraints:
        slide=any_of(REVIEWED),
    conda:
        "../../envs/nucwsi-cpu.yaml"
    resources:
        mem_mb=CAPS.memory("correct"),
        runtime=CAPS.runtime("correct"),
    params:
        folder=lambda wildcards: OUTPUT / wildcards.slide,
        composed=lambda wildcards: OUTPUT / wildcards.slide / "composed",
    shell:
        "nucwsi correct {params.folder:q} {input.answers:q} -o {params.folder:q}"
        " --composition {params.composed:q} > {log:q} 2>&1"


rule export:
    input:
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        features=(
            rules.features.output if CONFIG.features and CONFIG.export.anndata else []
        ),
    output:
        qupath=OUTPUT / "{slide}" / "{slide}.nuclei.qupath.zip",
        extras=collect(
            OUTPUT / "{{slide}}" / "{{slide}}.{end}", end=nuc.extra_exports(CONFIG)
        ),
    log:
        OUTPUT / "logs" / "{slide}" / "export.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "export.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    resources:
        mem_mb=CAPS.memory("export"),
        runtime=CAPS.runtime("export"),
    params:
        settings=nuc.result_flags(CONFIG.export),
        features=lambda wildcards, input: nuc.flags("--features", input.features),
        slide=slide_flag,
    shell:
        "nucwsi export {input.nuclei:q} -o {output.qupath:q} {params.slide}"
        " {params.features} {params.settings}"
        " 2> {log:q}"


rule assess:
    input:
        slide=slide_file,
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        tissue=OUTPUT / "{slide}" / "tissue.geojson",
        composition=OUTPUT / "{slide}" / "composition.csv",
        morphometry=OUTPUT / "{slide}" / "morphometry.csv",
        regions=OUTPUT / "{slide}" / "{slide}.regions.geojson",
        seams=OUTPUT / "{slide}" / "seams.json",
    output:
        OUTPUT / "{slide}" / "assessment.json",
    log:
        OUTPUT / "logs" / "{slide}" / "assess.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "assess.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("assess"),
        runtime=CAPS.runtime("assess"),
    params:
        settings=nuc.result_flags(CONFIG.assess),
        # The report does not read assessments of another format.
        format=nuc.ASSESSMENT_FORMAT,
    shell:
        "nucwsi assess {input.slide:q} {input.nuclei:q} -o {output:q} {params.settings}"
        " --threads {threads} 2> {log:q}"


rule render:
    input:
        slide=slide_file,
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        tissue=OUTPUT / "{slide}" / "tissue.geojson",
        regions=OUTPUT / "{slide}" / "{slide}.regions.geojson",
        # The page shows what the report says of the slide.
        assessment=OUTPUT / "{slide}" / "assessment.json",
    output:
        # The last file that is written into the folder: where it exists, the folder is complete.
        OUTPUT / "{slide}" / "viewer" / "index.html",
    log:
        OUTPUT / "logs" / "{slide}" / "render.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "render.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    resources:
        mem_mb=CAPS.memory("render"),
        runtime=CAPS.runtime("render"),
    params:
        settings=nuc.result_flags(CONFIG.render),
    shell:
        "nucwsi render {input.slide:q} {input.nuclei:q} -o {output:q} {params.settings}"
        " --threads {threads} 2> {log:q}"


rule provenance:
    input:
        slide=slide_file,
        nuclei=OUTPUT / "{slide}" / "nuclei.parquet",
        results=[
            OUTPUT / "{slide}" / "seams.json",
            OUTPUT / "{slide}" / "composition.csv",
            OUTPUT / "{slide}" / "{slide}.nuclei.qupath.zip",
        ],
    output:
        OUTPUT / "{slide}" / "provenance.json",
    log:
        OUTPUT / "logs" / "{slide}" / "provenance.log",
    benchmark:
        OUTPUT / "benchmarks" / "{slide}" / "provenance.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    params:
        benchmarks=lambda wildcards: OUTPUT / "benchmarks" / wildcards.slide,
        origin=slide_origin,
    shell:
        "nucwsi provenance {input.nuclei:q} -o {output:q} --slide {input.slide:q} {params.origin}"
        " --benchmarks {params.benchmarks:q} 2> {log:q}"
