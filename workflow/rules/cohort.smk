# Rules beyond one slide: paint the demo, join the tables of all slides, write the report.


rule phantom:
    output:
        slide=nuc.DEMO_SLIDE,
        truth=nuc.DEMO_SLIDE.with_name(f"{nuc.DEMO_SLIDE.stem}.truth.geojson"),
    log:
        OUTPUT / "logs" / "phantom.log",
    benchmark:
        OUTPUT / "benchmarks" / "phantom.tsv"
    conda:
        "../../envs/nucwsi-cpu.yaml"
    shell:
        "nucwsi phantom {output.slide:q} > {log:q} 2>&1"


# `snakemake check` opens every slide before the first job; it makes no file.
rule check:
    input:
        # Those that are missing are named by the command.
        [
            ancient(str(entry.path))
            for entry in SLIDES.values()
            if entry.path.exists() or entry.path == nuc.DEMO_SLIDE
        ],
    log:
        OUTPUT / "logs" / "check.log",
    benchmark:
        OUTPUT / "benchmarks" / "check.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    threads: 2
    params:
        slides=CONFIG.slides,
        members=nuc.member_flags(CONFIG),
        settings=nuc.result_flags(CONFIG.tile),
        views=CONFIG.predict.views,
        viewer="--viewer" if CONFIG.viewer else "--no-viewer",
        results=OUTPUT,
    shell:
        "nucwsi check {params.slides:q} {params.members} {params.settings} --threads {threads}"
        " --views {params.views} {params.viewer} --results {params.results:q} 2>&1 | tee {log:q}"


rule summary:
    input:
        lambda wildcards: made(SLIDES, f"{nuc.COHORT_TABLES[wildcards.table]}.csv"),
    output:
        report(OUTPUT / "{table}.csv", caption="../report/table.rst", category="Tables"),
    log:
        OUTPUT / "logs" / "summary.{table}.log",
    benchmark:
        OUTPUT / "benchmarks" / "summary.{table}.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    params:
        tables=lambda wildcards: nuc.argument_list(
            of_slides(SLIDES, f"{nuc.COHORT_TABLES[wildcards.table]}.csv"),
            OUTPUT / f".{wildcards.table}.list",
        ),
        how=lambda wildcards: " ".join(nuc.summary_words(wildcards.table, SLIDES)),
    shell:
        "nucwsi summary {params.tables:q} -o {output:q} {params.how} 2> {log:q}"


rule corrected:
    input:
        made(REVIEWED, *REVIEW_FILES),
    output:
        report(
            OUTPUT / "corrected.csv",
            caption="../report/corrected.rst",
            category="Tables",
        ),
    log:
        OUTPUT / "logs" / "corrected.log",
    benchmark:
        OUTPUT / "benchmarks" / "corrected.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    params:
        records=nuc.argument_list(
            of_slides(REVIEWED, *REVIEW_FILES), OUTPUT / ".corrected.list"
        ),
    shell:
        "nucwsi summary {params.records:q} -o {output:q} --corrected 2> {log:q}"


rule report:
    input:
        # The report links to the others.
        made(
            SLIDES,
            "assessment.json",
            "provenance.json",
            *(["viewer/index.html"] if CONFIG.viewer else []),
        ),
        collect(OUTPUT / "{table}.csv", table=TABLES),
        OUTPUT / "corrected.csv" if REVIEWED else [],
    output:
        page=report(
            OUTPUT / "report.html", caption="../report/report.rst", category="Report"
        ),
        groups=(
            report(
                OUTPUT / "groups.csv",
                caption="../report/groups.rst",
                category="Tables",
            )
            if CONFIG.report.compare
            else []
        ),
        patients=(
            report(
                OUTPUT / "patients.csv",
                caption="../report/patients.rst",
                category="Tables",
            )
            if CONFIG.report.compare
            else []
        ),
        multiqc=collect(OUTPUT / "{file}", file=nuc.MULTIQC_FILES),
    log:
        OUTPUT / "logs" / "report.log",
    benchmark:
        OUTPUT / "benchmarks" / "report.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    params:
        settings=nuc.result_flags(CONFIG.report),
        slides=nuc.argument_list(
            of_slides(SLIDES, "assessment.json"), OUTPUT / ".assessments.list"
        ),
        benchmarks=OUTPUT / "benchmarks",
        groups=lambda wildcards, output: nuc.flags("--groups", output.groups),
        patients=lambda wildcards, output: nuc.flags("--patients", output.patients),
        multiqc=OUTPUT,
    shell:
        "nucwsi report {params.slides:q} -o {output.page:q} --benchmarks {params.benchmarks:q}"
        " {params.groups} {params.patients} --multiqc {params.multiqc:q} {params.settings}"
        " 2> {log:q}"
