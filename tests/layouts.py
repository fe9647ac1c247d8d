"""Tiny data sets in their published layouts, all with one truth: `NUCLEI` of `SIDE_PX`² pixels."""

import csv

import numpy as np
from PIL import Image
from scipy.io import savemat

#: Corner (row, column), height, width and label code; no layout may swap rows and columns.
NUCLEI = ((3, 10, 5, 9, 2), (20, 40, 12, 4, 1), (200, 30, 6, 6, 3))
SIDE_PX = 256


def picture(seed=0, shape=(SIDE_PX, SIDE_PX)):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def truth(numbers=(1, 2, 3), shape=(SIDE_PX, SIDE_PX)):
    """Return the instance map and the class map."""
    instances, classes = np.zeros((2, *shape), np.int32)
    for number, (row, column, height, width, code) in zip(numbers, NUCLEI, strict=True):
        at = np.s_[row : row + height, column : column + width]
        instances[at], classes[at] = number, code
    return instances, classes


def write_csv(path, *rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows(rows)


def save(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".mat":
        savemat(path, array)
    else:
        Image.fromarray(array).save(path)


def conic(folder, names=("consep_1-0000", "consep_1-0001", "glas_2-0000")):
    labels = np.stack([np.stack(truth(), axis=-1)] * len(names)).astype(np.uint16)
    save(folder / "images.npy", np.stack([picture(i) for i in range(len(names))]))
    save(folder / "labels.npy", labels)
    header = ["neutrophil", "epithelial", "lymphocyte", "plasma", "eosinophil", "connective"]
    write_csv(folder / "counts.csv", header, *[[1, 0, 1, 0, 0, 0]] * len(names))
    write_csv(folder / "patch_info.csv", ["patch_info"], *([name] for name in names))
    return folder


def lizard(folder, names=("consep_1", "glas_2", "dpath_3")):
    for index, name in enumerate(names):
        shape = (SIDE_PX + 10, SIDE_PX)
        instances, _ = truth((7, 2, 9), shape)
        # Neither in the order of the map, nor only what is in the map.
        ids = np.array([[9], [4], [2], [7]])
        codes = np.array([[NUCLEI[2][4]], [6], [NUCLEI[1][4]], [NUCLEI[0][4]]])
        boxes, centroids = np.zeros((4, 4)), np.zeros((4, 2))
        save(folder / f"Lizard_Images{1 + index % 2}" / f"{name}.png", picture(index, shape))
        save(
            folder / "Lizard_Labels" / "Labels" / f"{name}.mat",
            {
                "inst_map": instances,
                "id": ids,
                "class": codes,
                "bbox": boxes,
                "centroid": centroids,
            },
        )
    rows = [[name, "GlaS", 1 + index] for index, name in enumerate(names)]
    write_csv(folder / "Lizard_Labels" / "info.csv", ["Filename", "Source", "Split"], *rows)
    save(folder / "__MACOSX" / "Lizard_Images1" / "._consep_1.png", picture())
    return folder


def pannuke(folder, folds=(1, 2, 3), patches=2):
    for fold in folds:
        instances, classes = truth((5, 1, 1))
        masks = np.zeros((patches, SIDE_PX, SIDE_PX, 6))
        for layer in range(5):
            masks[..., layer] = instances * (classes == layer + 1)
        masks[..., 5] = instances == 0
        images = np.stack([picture(10 * fold + i) for i in range(patches)]).astype(np.float64)
        home = folder / f"Fold {fold}"
        save(home / "images" / f"fold{fold}" / "images.npy", images)
        save(home / "images" / f"fold{fold}" / "types.npy", np.array(["Breast"] * patches))
        save(home / "masks" / f"fold{fold}" / "masks.npy", masks)
    return folder


def consep(folder):
    for half, count in (("Train", 3), ("Test", 1)):
        for index in range(1, count + 1):
            instances, classes = truth()
            # Published tiles have an alpha channel.
            rgba = np.dstack([picture(index), np.full((SIDE_PX, SIDE_PX), 255, np.uint8)])
            name = f"{half.lower()}_{index}"
            save(folder / half / "Images" / f"{name}.png", rgba)
            save(
                folder / half / "Labels" / f"{name}.mat",
                {
                    "inst_map": instances.astype(np.float64),
                    "type_map": classes.astype(np.float64),
                    "inst_type": np.array([[float(code)] for *_, code in NUCLEI]),
                    "inst_centroid": np.zeros((3, 2)),
                },
            )
    return folder


def imagescope(layers):
    """Write layers of (name, rectangles) as ImageScope does."""
    text = '<?xml version="1.0" encoding="utf-8"?>\n<Annotations MicronsPerPixel="0.252">'
    for name, rectangles in layers:
        text += f'<Annotation Id="1" Name=""><Attributes><Attribute Name="{name}" Value=""/>'
        text += "</Attributes><Regions><RegionAttributeHeaders/>"
        for row, column, height, width in rectangles:
            corners = [(0, 0), (0, width), (height, width), (height, 0)]
            text += '<Region Id="1" NegativeROA="0"><Attributes/><Vertices>'
            text += "".join(f'<Vertex X="{column + x}" Y="{row + y}" Z="0"/>' for y, x in corners)
            text += "</Vertices></Region>"
        text += "</Regions><Plots/></Annotation>"
    return text + "</Annotations>"


def write_text(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def monuseg(folder):
    xml = imagescope([("Description", [nucleus[:4] for nucleus in NUCLEI])])
    training = folder / "MoNuSeg 2018 Training Data"
    for index, name in enumerate(("TCGA-18-5592-01Z-00-DX1", "TCGA-38-6178-01Z-00-DX1")):
        save(training / "Tissue Images" / f"{name}.tif", picture(index))
        write_text(training / "Annotations" / f"{name}.xml", xml)
    name = "TCGA-2Z-A9J9-01A-01-TS1"
    save(folder / "MoNuSegTestData" / f"{name}.tif", picture(9))
    write_text(folder / "MoNuSegTestData" / f"{name}.xml", xml)
    return folder


def monusac(folder, ambiguous=(100, 100, 20, 30)):
    names = {1: "Epithelial", 2: "Lymphocyte", 3: "Neutrophil"}
    layers = [(names[code], [place]) for *place, code in NUCLEI]
    patients = {
        "MoNuSAC_images_and_annotations": ("TCGA-5P-A9K0-01Z-00-DX1", "TCGA-69-7760-01Z-00-DX1"),
        "MoNuSAC Testing Data and Annotations": ("TCGA-2Z-A9JG-01Z-00-DX1",),
    }
    for part, members in patients.items():
        extra = [("Ambiguous", [ambiguous])] if "Testing" in part else []
        for patient in members:
            for index in (1, 2):
                stem = folder / part / patient / f"{patient}_{index}"
                save(stem.with_suffix(".tif"), picture(index))
                write_text(stem.with_suffix(".xml"), imagescope(layers + extra))
    return folder


def write_manifest(folder, *rows, labels=(("mine", 1, "plasma"),), codes=(1,)):
    """Write labelled images in the documented form, each with one nucleus of these codes."""
    columns = ["dataset", "name", "split", "mpp", "patient"]
    write_csv(folder / "manifest.csv", columns, *rows)
    write_csv(folder / "labels.csv", ["dataset", "code", "name"], *labels)
    for dataset, name, *_ in rows:
        save(folder / dataset / f"{name}.png", picture())
        instances = np.zeros((SIDE_PX, SIDE_PX), np.uint16)
        instances[5:9, 5:9] = 1
        archive = folder / dataset / f"{name}.npz"
        np.savez(archive, instances=instances, ids=[1], classes=np.array(codes))
    return folder


LAYOUTS = {
    "conic": conic,
    "consep": consep,
    "lizard": lizard,
    "monusac": monusac,
    "monuseg": monuseg,
    "pannuke": pannuke,
}


def nuclei_of(labelled):
    """Return (row, column, height, width, code) of each nucleus, sorted; all are rectangles."""
    nuclei = []
    for index, number in enumerate(labelled.ids):
        rows, columns = np.nonzero(labelled.instances == number)
        code = 0 if labelled.codes is None else int(labelled.codes[index])
        size = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
        assert rows.size == size[0] * size[1]
        nuclei.append((int(rows.min()), int(columns.min()), *size, code))
    return sorted(nuclei)


def check_reading(dataset, name, contents, mpp, classified=True):
    """Check what a reader lists (name -> part, split, patient) and that each image has `NUCLEI`."""
    assert {e.name: (e.part, e.split, e.patient) for e in dataset.entries} == contents
    assert {e.mpp for e in dataset.entries} == {mpp}
    assert {e.dataset for e in dataset.entries} == {name} == set(dataset.labels)
    expected = sorted((*place, code * classified) for *place, code in NUCLEI)
    for entry in dataset.entries:
        labelled = entry.read()
        assert nuclei_of(labelled) == expected
        assert labelled.image.dtype == np.uint8
        assert labelled.instances.dtype == np.int32
