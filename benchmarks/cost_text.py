"""Statements of docs/aws-cost.md that contain figures, and how amounts are written."""

from __future__ import annotations

import textwrap

from cost_cold import (
    AT_START,
    COLD_LIMIT_S,
    IN_IMAGE,
    PING_MIN,
    SHORT_SONG_S,
    USD_LIMIT,
    Cold,
    Fan,
    all_segments,
    configurations,
    fans,
    of_function,
    ping_usd,
    uncut,
    warm_function,
)
from cost_model import (
    ALARMS,
    BUILD_MIN,
    CALLS,
    FAST_FUNCTION,
    FUNCTION,
    GPU,
    IDLE_S,
    IMAGE_GB,
    IMAGES,
    LOGS_GB,
    MACHINES,
    METRICS,
    MINUTES,
    ORIGINAL_HOUR_USD,
    ORIGINAL_HOURS,
    ORIGINAL_STATED_USD,
    ORIGINAL_USD,
    OTHER_S,
    PROGRESS_INTERVAL_S,
    RANGES,
    SANDBOX_S,
    SONG_S,
    SPOT_DISCOUNT,
    UPDATE_UNITS,
    Machine,
    break_even,
    compute_usd,
    fixed,
    function,
    requests,
    total_usd,
    usd,
)
from cost_prices import PRICES
from cost_speed import LAMBDA, LAMBDA_BEST

FUNCTION_LIMIT_S = 15 * 60
LONGEST_MIN = {10_240: 59, 3_008: 17}
"""Minutes of the longest song with `htdemucs`, by memory in MB, as `deploy --check` estimates (`longest_songs`)."""
FREE_GB = PRICES["Transfer out"].free
WIDTH = 138


def money(amount: float) -> str:
    """Format an amount with its significant digits."""
    if amount < 0.995:
        return f"{amount:.2g}" if amount < 0.0995 else f"{amount:.2f}"
    return f"{amount:,.2f}" if amount < 99.5 else f"{amount:,.0f}"


def between(ends: tuple[float, float], unit: str = "") -> str:
    """Format a range; with `unit`, in whole units."""
    low, high = (f"{end:.0f}" if unit else money(end) for end in ends)
    return (low if low == high else f"{low} to {high}") + (f" {unit}" if unit else "")


def longest_song_min(memory_mb: int) -> tuple[int, int]:
    """Return the minutes of the longest song that a function with `htdemucs` finishes, at worst and at best."""
    worst, best = (
        function(memory_mb, "htdemucs", processor, sandbox)
        for processor, sandbox in zip((LAMBDA, LAMBDA_BEST), reversed(SANDBOX_S), strict=True)
    )
    worst_s, best_s = (
        (FUNCTION_LIMIT_S - machine.start_s - OTHER_S) / machine.rate for machine in (worst, best)
    )
    return int(worst_s / 60), int(best_s / 60)


def longest(memory_mb: int) -> str:
    """Say how long a song may be for a function with `htdemucs`."""
    worst, best = longest_song_min(memory_mb)
    return f"about {LONGEST_MIN[memory_mb]} minutes (at worst {worst}, at best {best})"


def from_songs(first: Machine, second: Machine) -> str:
    """Say from how many songs a month `second` is cheaper than `first`."""
    songs = break_even(first, second)
    return f"from {round(songs, -3):,.0f} songs a month" if songs else "at no number of songs"


def named(name: str, model: str) -> Cold:
    """Return one of the configurations."""
    return next(one for one in configurations() if (one.name, one.model) == (name, model))


def phrase(one: Cold) -> str:
    """Return a configuration's dollars and seconds."""
    return f"{between(one.usd)} dollars and {between(one.cold_s, 's')}"


def plain(one: Cold) -> str:
    """Return the functions of a cut song, as in `6 x 3,008 MB`."""
    return one.name.rpartition(", ")[0]


def statements() -> dict[str, str]:
    """Return the statements by name, between the marks by which they are found on the page."""
    fast, best = of_function(10_240, "spleeter"), of_function(10_240, "htdemucs")
    new_fast, new_best = of_function(3_008, "spleeter"), of_function(3_008, "htdemucs")
    spot = next(one for one in configurations() if one.name.startswith("Fargate"))
    quiet = named("ml.g4dn.xlarge", "htdemucs")
    small = next(machine for machine in MACHINES if machine.name == "ml.c7i.xlarge")
    tried = [fan.figures() for fan in fans()]
    today, later = (Fan(1_769, all_segments(), loading).figures() for loading in (AT_START, IN_IMAGE))
    cut_fast = min((one for one in tried if one.model == "spleeter"), key=lambda one: one.cold_s[1])
    one_fast, one_best = uncut()
    computing = SHORT_SONG_S * FAST_FUNCTION.rate / one_fast.cold_s[1]
    song_gb = requests(GPU, 1)["Transfer out"]
    transfer = usd({"Transfer out": song_gb}, False)
    met = [one for one in configurations() if (one.cheap, one.quick) == ("yes", "yes")]
    nothing = "No configuration certainly does both" if not met else f"{met[0].name} does both"
    old = ORIGINAL_HOURS * ORIGINAL_HOUR_USD
    hot = warm_function("spleeter")
    texts = {
        "conclusion": [
            f"""**Wanted**: separating a song costs at most {USD_LIMIT} dollars, and the stems are stored within
            {COLD_LIMIT_S} s when nothing is running. {nothing}.""",
            f"""**Nearest**: {fast.name} with `spleeter`, {phrase(fast)} for a song of {SONG_S // 60} minutes. Its
            vocals are worse than those of `htdemucs`.""",
            f"""**Kept warm**: the same function takes {between(hot.cold_s, "s")} for another song before AWS removes
            its sandbox. A call every {PING_MIN} minutes usually keeps it, for {money(ping_usd())} dollars a month. So
            from {ping_usd() / (USD_LIMIT - hot.usd[1]):.0f} songs a month on, both limits are kept, but AWS doesn't
            promise that a sandbox stays. `--keep-warm` makes these calls.""",
            f"""**With `htdemucs`**: the same function needs {phrase(best)}. A Fargate Spot task would need
            {phrase(spot)}, and isn't built. An endpoint on `ml.g4dn.xlarge` needs {between(quiet.cold_s, "s")} from
            nothing.""",
            f"""**New accounts** allow functions of 3,008 MB: {phrase(new_fast)} with `spleeter`, {phrase(new_best)}
            with `htdemucs`.""",
            """**Default**: functions (`--compute cpu`) with `spleeter`. A new account can run them, a song stays below
            the limit of cost and comes nearest to that of time, and nothing is billed between songs.""",
            f"""**Better stems**: `--models htdemucs spleeter` separates with `htdemucs` in functions, songs of up to
            {longest(10_240)}, with 3,008 MB {longest(3_008)}. `--compute gpu` is for longer songs, for `htdemucs_ft`,
            and for many songs with `htdemucs`: an endpoint on `ml.c7i.xlarge` is cheaper
            {from_songs(FUNCTION, small)}, on `ml.g4dn.xlarge` {from_songs(FUNCTION, GPU)}.""",
            f"""**All of a song**: by list price, {money(transfer)} dollars of transfer out come on top of each song,
            more than separating with `spleeter`. The free 100 GB a month cover {FREE_GB / song_gb:.0f} songs. Stems
            as FLAC are half as large as WAV, as MP3 a quarter.""",
        ],
        "original": [
            f"""The original is the application "Demucs Audio Separator". Earlier versions of this page repeated the
            {ORIGINAL_STATED_USD} dollars that it states for ten songs, and multiplied them for more songs. The sum is
            a slip: {ORIGINAL_HOURS} hours x {ORIGINAL_HOUR_USD} are {money(old)} dollars, and with its other rows
            about {money(ORIGINAL_USD * 10)} in total. The table has the corrected sum, in proportion to the songs.
            For ten songs, that is less than our endpoint, {money(total_usd(GPU, 10, True))} after free allowances: we
            count {IDLE_S // 60} idle minutes after each song, the images and a build. Functions cost
            {money(total_usd(FUNCTION, 10, True))}.""",
        ],
        "reading": [
            f"""**Ten songs**: the endpoint's separating costs {money(compute_usd(GPU, 10))}, mostly idle time.
            Functions cost {money(compute_usd(FUNCTION, 10))}.""",
            f"""**A hundred thousand songs**: an endpoint on a graphics card costs {money(compute_usd(GPU, 1e5))}, on
            `ml.c7i.xlarge` {money(compute_usd(small, 1e5))}, functions {money(compute_usd(FUNCTION, 1e5))}, with
            `spleeter` {money(compute_usd(FAST_FUNCTION, 1e5))}.""",
            f"""**No songs**: the fixed cost is {money(usd(fixed(GPU), False))} with the endpoint,
            {money(usd(fixed(FUNCTION), False))} with functions, half of it for the dashboard. After the free
            allowances it is {money(usd(fixed(GPU), True))} and {money(usd(fixed(FUNCTION), True))}, for images and one
            build. No machine, queue or key costs anything when idle.""",
        ],
        "cut": [
            f"""**`spleeter`**: one function of 10,240 MB needs {phrase(one_fast)}. Only computing can be shared,
            {computing * 100:.0f} % of the time: each function starts, loads the model and reads the song by itself, and
            the last one adds up. Cut in the quickest way ({plain(cut_fast)}), the song needs {phrase(cut_fast)}: at
            most {one_fast.cold_s[1] - cut_fast.cold_s[1]:.0f} s less, for
            {cut_fast.usd[1] / one_fast.usd[1]:.0f} times the cost.""",
            f"""**`htdemucs`**: one function needs {phrase(one_best)}. Cut as the image is today ({plain(today)}), the
            song needs {phrase(today)}. With the network compiled in the image ({plain(later)}), it would need
            {phrase(later)}: a third of the time, for about the same cost.""",
            f"""**Limits**: no way certainly keeps both {COLD_LIMIT_S} s and {USD_LIMIT} dollars. Whatever may take
            {COLD_LIMIT_S} s with `htdemucs` may also cost more than {USD_LIMIT} dollars.""",
        ],
        "requests": [
            f"{CALLS} calls of the HTTP API",
            f"""one write of progress every {PROGRESS_INTERVAL_S} s of work: {UPDATE_UNITS} write units, for an item of
            up to 3 KB and its move in the index by state""",
            "for each write, one call of the function that pushes statuses",
            f"{RANGES} ranges read by the player",
            f"{MINUTES} minutes of a WebSocket with a message every 20 s",
        ],
        "fixed": [
            f"""the {IMAGES} images that ECR keeps: {IMAGE_GB["gpu"]} GB each with CUDA, {IMAGE_GB["cpu"]} GB without,
            from the sizes of their contents""",
            f"""{ALARMS["gpu"]} alarms ({ALARMS["cpu"]} with functions), one dashboard, {METRICS} metrics, {LOGS_GB} GB
            of logs""",
            "an upkeep run every minute, and point-in-time recovery of the table",
            f"one build of {BUILD_MIN['gpu']} minutes ({BUILD_MIN['cpu']} for functions)",
        ],
        "assumptions": [
            f"""**Lambda's processors**: {LAMBDA.slowdown} times slower than the measured cores. In the worst case a
            virtual processor is {LAMBDA.cores} cores, one thread of a busy core; the tables by number of songs take
            that. In the best case it is a whole core. Every song is taken for a cold start.""",
            """**`ml.c7i`**: two virtual processors are as fast as one of the measured cores.""",
            f"""**Around separating**: {OTHER_S} s a song for download, the player's sound and upload. The measured
            times include decoding and writing.""",
            f"""**Fargate Spot**: {SPOT_DISCOUNT * 100:.0f} % below Fargate's price, and the processors of Lambda.""",
        ],
    }
    return {name: marked(name, lines) for name, lines in texts.items()}


def marked(name: str, lines: list[str]) -> str:
    """Wrap lines, as a list if there are several, between the marks of a statement."""
    single = len(lines) == 1
    filled = [
        textwrap.fill(
            " ".join(line.split()),
            WIDTH,
            initial_indent="" if single else "- ",
            subsequent_indent="" if single else "  ",
            break_long_words=False,
            break_on_hyphens=False,
        )
        for line in lines
    ]
    return "\n".join([f"<!-- cost.py: {name} -->", *filled, f"<!-- end of {name} -->"])
