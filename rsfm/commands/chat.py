"""`rsfm chat`: a dialogue in the terminal about the user's own scene."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import tyro

from rsfm.errors import lookup, one_line, printable

HELP = """Ask in words; "Map the water." gives a map, "How many hectares of water are there?" a number with its interval.
  /map CLASSES   map classes, as in /map water, trees
  /form FORM     answers of one form: number, integer, yes/no, box, boxes, label: a, b, labels: a, b, json: {...}
  /form          free answers again
  /scene         the images of this scene
  /new           forget what was said
  /help          this text
  /quit          leave (or Ctrl-D)"""


def chat(
    scenes: tyro.conf.Positional[tuple[str, ...]],
    *,
    checkpoint: str = "nano",
    sensor: tuple[str, ...] = (),
    date: tuple[str, ...] = (),
    series: bool = False,
    gsd: float | None = None,
    unit: str | None = None,
    bands: tuple[str, ...] = (),
    wavelengths: Path | None = None,
    scale: float | None = None,
    offset: float | None = None,
    allow_vrt: bool = False,
    out: Path | None = None,
    system: str = "",
    max_new_tokens: int = 96,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    seed: int | None = None,
) -> int:
    """Talks about a scene: several questions, each answer written as it comes, earlier turns remembered.

    Several scenes of one sensor are dates of a series; scenes of several sensors on one grid are read together.
    A question may name them in order by <image>. /help lists what else there is.

    Example:
        rsfm chat scene.tif --sensor sentinel2_l2a
        rsfm chat 2017.tif 2023.tif --sensor sentinel2_l2a --date 2017-06-13 2023-06-20 --out maps

    Args:
        scenes: image files (GeoTIFF, COG, JP2, PNG, JPEG, ENVI, .mat, .npy) or folders of one-band images.
        checkpoint: name of a shipped checkpoint, or its folder.
        sensor: one name for all scenes or one a scene, or a .toml or .json file that describes your own; left out, it is
            told from the files.
        date: acquisition dates, one a scene, e.g. 2024-06-30; left out, they are told from the files.
        series: the scenes are dates of one place though their files have no georeference that shows it.
        gsd: metres of a pixel's edge, of files without a georeference.
        unit: unit of the values where the files are already physical, e.g. reflectance or dB.
        bands: names of the files' layers in order, e.g. B02 B03 B04 B08; "skip" for one that is no band of the sensor.
        wavelengths: text, CSV or JSON file with each layer's wavelength (and width) in nm or um: any spectral cube is read.
        scale: physical = number * scale + offset, where files and products do not say so.
        offset: see scale.
        allow_vrt: read a VRT, too, if all it is made of lies in its own folder; other VRTs point at anything.
        out: folder for the maps: mask.tif (COG), mask.geojson, overlay.png, then mask_2.tif and so on.
        system: what the model is told before the first question.
        max_new_tokens: longest answer in tokens.
        temperature: 0 takes the likeliest token, 1 draws as the model says, each time anew.
        top_k: draw only among the k likeliest tokens; 0 = all.
        top_p: draw only among the likeliest tokens that hold this share.
        seed: of the draws, to repeat them.
    """
    from rsfm.answer.footprint import open_footprint

    how: dict[str, Any] = {"unit": unit, "bands": bands, "scale": scale, "offset": offset}
    how |= {"allow_vrt": allow_vrt, "series": series, "gsd_m": gsd}
    if wavelengths is not None:
        from rsfm.data.reading.wavelengths import read_wavelengths

        how["wavelengths_um"] = read_wavelengths(wavelengths)
    footprint = open_footprint(scenes, sensors=sensor, dates=date, **how)  # before jax: errors come at once
    from rsfm import pretrained
    from rsfm.answer.conversation import Conversation
    from rsfm.models.generate import Sampling

    Sampling(temperature=temperature, top_k=top_k, top_p=top_p, seed=seed)
    loaded = pretrained.load_foundation(checkpoint)
    options: dict[str, Any] = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    talk = Conversation(
        loaded.model,
        loaded.processor,
        footprint,
        system=system,
        name=loaded.name,
        max_new_tokens=max_new_tokens,
        **options,
    )
    print(f"{checkpoint}: {'; '.join(talk.images())}. /help tells what can be asked, /quit leaves.")
    return Terminal(talk, out).run()


class Terminal:
    """Reads lines, runs /commands, prints answers as they come."""

    def __init__(self, talk: Any, out: Path | None):
        self.talk, self.out, self.maps = talk, out, 0
        self.commands: dict[str, Callable[[str], Any]] = {
            "map": lambda words: self.say(f"Map the {words or 'land cover'}."),
            "form": self.form,
            "scene": lambda _: print(*self.talk.images(), sep="\n"),
            "new": lambda _: self.talk.forget(),
            "help": lambda _: print(HELP),
        }

    def run(self) -> int:
        """Until /quit or the end of the input. An error of any kind is a line, and the dialogue goes on."""
        if sys.stdin.isatty():
            import readline  # noqa: F401  arrow keys and history in input()
        while True:
            try:
                line = input("> " if sys.stdin.isatty() else "").strip()
            except EOFError:
                return 0
            if line in ("/quit", "/exit"):
                return 0
            try:
                self.take(line)
            except KeyboardInterrupt:
                print("\n(stopped)", flush=True)
            except BrokenPipeError:
                raise
            except Exception as error:  # memory, too: the next question is asked of the same scene
                print(f"rsfm: {one_line(error)}", flush=True)

    def take(self, line: str) -> None:
        """One line: a command or a question."""
        if line.startswith("/"):
            name, _, words = line[1:].partition(" ")
            lookup(self.commands, "command", name)(words.strip())
        elif line:
            self.say(line)

    def form(self, words: str) -> None:
        """Binds the answers to a form, or frees them."""
        self.talk.constrain(words)
        print(f"Answers from now on: {words or 'free'}.")

    def say(self, question: str) -> None:
        """Asks, prints the pieces, keeps a map."""
        for piece in self.talk.ask(question):
            print(printable(piece), end="", flush=True)
        print(flush=True)
        if self.talk.forgotten:
            print(f"(the first {self.talk.forgotten} turns no longer fit into the context and were left out)")
        for note in self.talk.answer.notes:
            print(printable(f"({note})"))
        if self.talk.answer.mask is not None:
            self.keep()

    def keep(self) -> None:
        """Writes the map of the last answer, where there is a folder for it."""
        if self.out is None:
            print("(a map is kept with --out FOLDER)")
            return
        from rsfm.answer.products import write_parts
        from rsfm.commands.outputs import output_folder

        suffix = "" if self.maps == 0 else f"_{self.maps + 1}"
        with output_folder(self.out) as folder:
            names = write_parts(folder, self.talk.answer, self.talk.footprint, suffix)
        self.maps += 1
        print(f"wrote {', '.join(names)} to {self.out}")
