"""Results of a phantom slide without a network; assessments; a browser that looks at pages."""

import json
import re
import shutil
import threading
from contextlib import contextmanager
from html.parser import HTMLParser

import numpy as np
import pytest
import shapely
from stores import nucleus_facts

from nucwsi.config import AssessSettings, ComposeSettings
from nucwsi.grid import Frame
from nucwsi.io.nuclei.parquet import write_nuclei
from nucwsi.io.regions.geojson import write_tissue
from nucwsi.io.stores.publish import file_checksum
from nucwsi.nuclei.hilbert import hilbert_key
from nucwsi.nuclei.seams import LineCounts, seam_audit
from nucwsi.nuclei.table import NucleusTable
from nucwsi.phantom import CLASSES, Phantom
from nucwsi.report.assessment import Assessment, ClassShapes, Quality, SeamAudit, Thumbnail
from nucwsi.report.packed_density import pack_density
from nucwsi.steps.assess import assess
from nucwsi.steps.compose import compose
from nucwsi.steps.view import view

#: Of the phantom of `small_slide`.
SHAPE, SEED = (1600, 2100), 5

#: Names that would run, break out of their place, or break a line.
HOSTILE = (
    "<script>window.hacked = 1</script>",
    "<img src=x onerror='window.hacked = 1'>",
    "\"'></title></svg></style> & ]]>",
    "Tumour 🔬 ß \u202e right to left",
    "'); window.hacked = 1; ('",
    "{{ 7 * 7 }} {% raw %}",
)


def phantom_nuclei(keep=None, only=None):
    """The phantom's own nuclei as a table; `keep` says how many, `only` of which class."""
    phantom = Phantom(SHAPE, seed=SEED)
    nuclei = [n for n in phantom.nuclei() if only is None or n.class_name == CLASSES[only]][:keep]
    outlines = np.array([phantom.polygon(nucleus) for nucleus in nuclei], object)
    n = len(outlines)
    code = np.array([CLASSES.index(nucleus.class_name) for nucleus in nuclei], np.uint8)
    rng = np.random.default_rng(1)
    share = rng.dirichlet(np.ones(len(CLASSES)), n).reshape(n, len(CLASSES)) * 0.4
    share[np.arange(n), code] += 0.6
    middle = shapely.get_coordinates(shapely.centroid(outlines)).reshape(n, 2)
    area = shapely.area(outlines) * 0.0625
    some = np.full(n, 0.9, np.float32)
    table = NucleusTable(
        id=np.arange(n) * 1_000_003 + (1 << 33),  # larger than 32 bits
        row=middle[:, 1],
        column=middle[:, 0],
        class_code=code,
        class_probabilities=share.astype(np.float32),
        contrasts=np.empty((len(share), 0), np.float32),
        area_um2=area.astype(np.float32),
        perimeter_um=some,
        major_axis_um=some,
        minor_axis_um=some,
        circularity=some,
        solidity=some,
        np_mean=some,
        at_edge=np.zeros(n, bool),
        escalated=np.zeros(n, bool),
        geometry=np.asarray(shapely.to_wkb(outlines), object).reshape(n),
        bounds=shapely.bounds(outlines).reshape(n, 4),
    )
    return table.take(np.argsort(hilbert_key(middle[:, 1], middle[:, 0], 2100.0)))


def write_results(slide, folder, table, names=(), **changed):
    """Write what the steps before `assess` leave of a slide; `names` are those of its regions."""
    folder.mkdir(parents=True)
    frame = Frame((800, 1050), 0.5, (0.25, 0.25), (0.0, 0.0), SHAPE)
    facts = nucleus_facts(
        frame,
        512,
        CLASSES,
        slide="small",
        slide_checksum=file_checksum(slide),
        mpp_source="vendor",
        vendor="tiff",
        tissue_um2=1e5,
        n_dropped=dict.fromkeys(CLASSES, 2),
    ).with_(**changed)
    groups = [table.take(np.arange(k, min(k + 100, len(table)))) for k in range(0, len(table), 100)]
    write_nuclei(folder / "nuclei.parquet", groups, facts, row_group=100)
    pieces = [shapely.box(100, 100, 1900, 1500)]
    write_tissue(folder / "tissue.geojson", pieces, facts)
    audit = {
        "exact": facts.exact,
        **seam_audit(LineCounts(n_seam=50, n_control=100), (1024, 1024), 512),
    }
    (folder / "seams.json").write_text(json.dumps(audit))
    compose(
        folder / "nuclei.parquet",
        folder / "tissue.geojson",
        folder / "composition.csv",
        ComposeSettings(),
        regions=[_regions(folder, names)] if names else [],
        geojson=folder / "small.regions.geojson",
        morphometry=folder / "morphometry.csv",
    )
    return folder


def _regions(folder, names):
    features = [
        {
            "type": "Feature",
            "geometry": shapely.geometry.mapping(
                shapely.box(20 * (at % 50), 200, 20 * (at % 50) + 400, 900)
            ),
            "properties": {"name": name, "classification": {"name": "Tumor"}},
        }
        for at, name in enumerate(names)
    ]
    path = folder / "drawn.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def assessed(slide, folder, **settings):
    """Assess a slide; return the file."""
    output = folder / "assessment.json"
    assess(slide, folder / "nuclei.parquet", output, AssessSettings(**settings))
    return output


def an_assessment(classes=("epithelial",), **changed):
    """An assessment without faults and without nuclei; `changed` are attributes of its facts."""
    frame = Frame((512, 2000), 0.5, (0.25, 0.25), (0.0, 0.0), (1024, 4000))
    counts = {f"n_{name}": "0" for name in classes}
    counts |= {f"{name}_{end}": "0" for name in classes for end in ("low", "high")}
    counts |= {f"{name}_per_mm2": "0" for name in classes}
    whole = {
        "region_source": "slide",
        "region_name": "small",
        "region_class": "Slide",
        "tissue_area_mm2": "2.0",
        "n_nuclei": "0",
    }
    packed = pack_density(np.full((len(classes), 2, 40), np.nan), 25.0)
    return Assessment(
        facts=nucleus_facts(frame, 512, classes, slide="small", mpp_source="vendor", **changed),
        path="small.svs",
        composition=({**whole, **counts},),
        seams=SeamAudit(
            exact=True,
            n_seam=5,
            density_ratio=1.0,
            density_z=0.1,
            cut_seam=1,
            cut_z=0.1,
            visible=False,
        ),
        thumbnail=Thumbnail(image="data:,", size=(1000, 256), mpp=1.0, tissue="", regions=()),
        mini="data:,",
        density=packed,
        morphometry=tuple(
            ClassShapes(name=name, n=500, features={}, areas=(0,) * 50) for name in classes
        ),
        crops=(),
        quality=Quality(diameter_um=6.0, certainty=0.8, blur=(0.2,) * 9, at_edge=0),
    )


def polygons_of(path):
    """Read the polygons of SVG path data, in pixels of the image that they cover."""
    for x, y, steps in re.findall(r"M(-?\d+) (-?\d+)l([-\d ]+)z", path):
        moves = np.reshape([int(x), int(y), *map(int, steps.split())], (-1, 2))
        yield shapely.Polygon(moves.cumsum(axis=0) / 10)


class Page(HTMLParser):
    """Reads a page as a browser would: elements, addresses and the text that it shows."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.addresses, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        assert not any(name.startswith("on") for name, _ in attributes), attributes
        self.addresses += [value for name, value in attributes if name in {"src", "href"}]

    def handle_data(self, data):
        if self.elements[-1:] not in (["script"], ["style"]) or self.lasttag != self.elements[-1]:
            self.words.append(data)


@contextmanager
def chromium(width=1200, height=800, scheme="light"):
    """Lend a headless browser; skip where there is none."""
    browser, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if browser is None or driver is None:
        pytest.skip("no browser: apt-get install chromium chromium-driver")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    page = webdriver.Chrome(options, webdriver.ChromeService(driver))
    try:
        resize(page, width, height)
        colours(page, scheme)
        yield page
    finally:
        page.quit()


def resize(page, width, height=800):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)


def colours(page, scheme):
    wish = {"name": "prefers-color-scheme", "value": scheme}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [wish]})


def complaints(page):
    """What the page wrote to the console."""
    return [entry["message"] for entry in page.get_log("browser")]


def asked_for(page):
    """All addresses that the page asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    return [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]


@contextmanager
def served(folder, **how):
    """Serve a folder as `nucwsi view` does; lend the address."""
    found, listening = [], threading.Event()

    def ready(address):
        found.append(address)
        listening.set()

    threading.Thread(
        target=view, args=(folder,), kwargs={"ready": ready, **how}, daemon=True
    ).start()
    assert listening.wait(10)
    yield found[0]
