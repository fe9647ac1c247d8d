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


rule summary:
    input:
        collect(OUTPUT / "{slide}" / "composition.csv", slide=SLIDES),
    output:
        OUTPUT / "composition.csv",
    log:
        OUTPUT / "logs" / "summary.log",
    benchmark:
        OUTPUT / "benchmarks" / "summary.tsv"
    localrule: True
    conda:
        "../../envs/nucwsi-cpu.yaml"
    shell:
        "nucwsi summary {input:q} -o {output:q} 2> {log:q}"
