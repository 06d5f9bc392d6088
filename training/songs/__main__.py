"""Write songs: `python -m training.songs OUT_DIR --split train --seeds 0:400 [--jobs N] [--voices BANK_DIR]`."""

import argparse
import multiprocessing
import sys
import time
import traceback
from functools import partial
from pathlib import Path

from training.songs.writing import write_song


def _seeds(text: str) -> range:
    first, _, last = text.partition(":")
    return range(int(first), int(last)) if last else range(int(first))


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.songs", description="Write synthetic multitrack songs."
    )
    parser.add_argument("out_dir", type=Path)
    parser.add_argument("--split", choices=("train", "test"), default="train")
    parser.add_argument(
        "--seeds",
        type=_seeds,
        default=range(100),
        metavar="FIRST:LAST",
        help="seeds from FIRST up to, but not including, LAST (default 0:100)",
    )
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument(
        "--voices", type=Path, help="folder of a voice bank (default: the cache folder, else computed voices)"
    )
    parser.add_argument(
        "--wav", action="store_true", help="write WAV files, to listen to and for `unbraid evaluate`"
    )
    options = parser.parse_args(arguments)
    options.out_dir.mkdir(parents=True, exist_ok=True)
    work = partial(
        write_song, split=options.split, out_dir=options.out_dir, voices=options.voices, wav=options.wav
    )
    started, done, failed = time.monotonic(), 0, 0
    with multiprocessing.get_context("spawn").Pool(options.jobs) as pool:
        for result in [pool.apply_async(work, (seed,)) for seed in options.seeds]:
            done += 1
            try:
                path = result.get()
            except Exception:  # a song that fails must not end a run of hours
                failed += 1
                traceback.print_exc()
                continue
            if path is not None:
                sys.stdout.write(f"{done}/{len(options.seeds)} {path} {time.monotonic() - started:.0f} s\n")
                sys.stdout.flush()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
