"""A viewer in a browser: where it is, what it shows, and how it is operated."""

import base64
from io import BytesIO

import numpy as np
import shapely
from PIL import Image

#: Until all that is to be seen is drawn. Before the next frame all seems settled as it was, and
#: the densities follow the slide one frame behind. A frame that never comes is asked for again, and
#: the first may come before anything of the page is there.
SETTLED = """
return new Promise((done) => {
    setTimeout(() => done(false), 2000);
    requestAnimationFrame(() => requestAnimationFrame(() => done(
        typeof nucwsi === "object" && nucwsi.viewer
        && nuclei.pending.size === 0 && layers.length === 1
        && [nucwsi.viewer.world.getItemAt(0), layers[0]].every((image) => image?.getFullyLoaded())
        && !nucwsi.viewer.isAnimating?.() && layers[0].source.version === version)));
});
"""


def wait(page, condition=SETTLED):
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(page, 30, 0.1).until(lambda p: p.execute_script(condition))


def picture(page):
    png = base64.b64decode(page.get_screenshot_as_base64())
    return np.asarray(Image.open(BytesIO(png)).convert("RGB")).astype(int)


def go(page, x, y, scale):
    """Show a place of the canvas, `scale` screen pixels to its pixel; return where it is seen."""
    page.execute_script(
        """
        const [x, y, scale] = arguments, image = nucwsi.viewer.world.getItemAt(0);
        const { viewport } = nucwsi.viewer;
        viewport.zoomTo(image.imageToViewportZoom(scale), null, true);
        viewport.panTo(image.imageToViewportCoordinates(x, y), true);
        """,
        x,
        y,
        scale,
    )
    wait(page)
    return page.execute_script(
        """
        const image = nucwsi.viewer.world.getItemAt(0);
        const { x, y } = image.imageToViewerElementCoordinates(
            new OpenSeadragon.Point(arguments[0], arguments[1]));
        return [Math.round(x), Math.round(y)];
        """,
        x,
        y,
    )


def outline(nuclei, at):
    """The outline of a nucleus in canvas pixels."""
    return shapely.transform(shapely.from_wkb(nuclei.geometry[at]), lambda xy: xy / 2)


def lonely(nuclei, code):
    """A large nucleus of a class in the middle of the slide, no other one within its box."""
    boxes = shapely.box(*nuclei.bounds.T)
    tree = shapely.STRtree(boxes)
    inside = (np.abs(nuclei.row - 800) < 500) & (np.abs(nuclei.column - 1050) < 500)
    for at in np.argsort(-nuclei.area_um2 * (inside & (nuclei.class_code == code))):
        if len(tree.query(boxes[at])) == 1:
            return int(at)
    raise LookupError(code)


def click(page, x, y):
    from selenium.webdriver.common.actions.action_builder import ActionBuilder

    actions = ActionBuilder(page)
    actions.pointer_action.move_to_location(x, y).click()
    actions.perform()
    # A second click at once would be a double click, which zooms.
    wait(page, "return new Promise((done) => setTimeout(() => done(true), 400))")


def press(page, *keys):
    page.find_element("css selector", ".openseadragon-canvas").send_keys(*keys)
