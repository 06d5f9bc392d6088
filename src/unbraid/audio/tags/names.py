"""Names of tags in each tag system, and which tags a stem must not inherit from its song.

The names in ID3 are from its specification; those of other programs from the table of MusicBrainz Picard ("Tag
mapping"), which Mixed In Key, Traktor, Serato and rekordbox agree with for key, tempo and energy.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from unbraid.audio.tags.model import System

FREEFORM = "----:com.apple.iTunes:"
"""Prefix of MP4 items with names of their own."""
TXXX = "TXXX:"
"""Prefix of ID3 texts with names of their own."""


@dataclass(frozen=True, slots=True)
class Name:
    """A tag, and its name in each system; None: that system has none."""

    name: str
    id3: str
    vorbis: str | None
    mp4: str
    aliases: tuple[str, ...] = ()
    """Other names for it, also FFmpeg's, in lower case."""

    def within(self, system: System) -> str | None:
        """Return the name in `system`."""
        return {System.ID3: self.id3, System.VORBIS: self.vorbis, System.MP4: self.mp4}[system]


def _own(name: str, spelling: str, *aliases: str, vorbis: str | None = None) -> Name:
    """Describe a tag without a frame or atom of its own. ID3 and MP4 store it under `spelling`."""
    return Name(name, TXXX + spelling, vorbis or spelling.upper(), FREEFORM + spelling, aliases)


_NAMES = (
    Name("title", "TIT2", "TITLE", "©nam"),
    Name("artist", "TPE1", "ARTIST", "©ART", ("author",)),
    Name("album", "TALB", "ALBUM", "©alb", ("wm/albumtitle",)),
    Name("album_artist", "TPE2", "ALBUMARTIST", "aART", ("album artist", "wm/albumartist")),
    Name("composer", "TCOM", "COMPOSER", "©wrt", ("wm/composer",)),
    Name("lyricist", "TEXT", "LYRICIST", FREEFORM + "LYRICIST", ("wm/writer",)),
    Name("conductor", "TPE3", "CONDUCTOR", FREEFORM + "CONDUCTOR", ("wm/conductor",)),
    Name("remixer", "TPE4", "REMIXER", FREEFORM + "REMIXER", ("mixartist", "wm/modifiedby")),
    Name("genre", "TCON", "GENRE", "©gen", ("wm/genre",)),
    Name("date", "TDRC", "DATE", "©day", ("year", "tyer", "date_released", "wm/year")),
    Name(
        "original_date",
        "TDOR",
        "ORIGINALDATE",
        FREEFORM + "ORIGINALDATE",
        ("tory", "originalyear", "wm/originalreleasetime", "wm/originalreleaseyear"),
    ),
    Name("release_date", "TDRL", "RELEASEDATE", FREEFORM + "RELEASEDATE"),
    Name("track", "TRCK", "TRACKNUMBER", "trkn", ("part_number", "wm/tracknumber")),
    Name("disc", "TPOS", "DISCNUMBER", "disk", ("wm/partofset",)),
    Name("bpm", "TBPM", "BPM", "tmpo", ("wm/beatsperminute",)),
    Name("initial_key", "TKEY", "INITIALKEY", FREEFORM + "initialkey", ("wm/initialkey",)),
    Name("grouping", "TIT1", "GROUPING", "©grp", ("grp1", "contentgroup", "wm/contentgroupdescription")),
    Name("subtitle", "TIT3", "SUBTITLE", FREEFORM + "SUBTITLE", ("wm/subtitle",)),
    Name("compilation", "TCMP", "COMPILATION", "cpil", ("itunescompilation", "wm/iscompilation")),
    Name("publisher", "TPUB", "LABEL", FREEFORM + "LABEL", ("organization", "wm/publisher")),
    Name("isrc", "TSRC", "ISRC", FREEFORM + "ISRC", ("wm/isrc",)),
    Name("comment", "COMM", "COMMENT", "©cmt", ("wm/comments",)),
    Name("description", TXXX + "DESCRIPTION", "DESCRIPTION", "desc"),
    Name("lyrics", "USLT", "LYRICS", "©lyr", ("unsyncedlyrics", "unsynced lyrics", "wm/lyrics")),
    Name("mood", "TMOO", "MOOD", FREEFORM + "MOOD", ("wm/mood",)),
    Name("copyright", "TCOP", "COPYRIGHT", "cprt"),
    Name("language", "TLAN", "LANGUAGE", FREEFORM + "LANGUAGE", ("wm/language",)),
    Name("media", "TMED", "MEDIA", FREEFORM + "MEDIA", ("wm/media",)),
    Name("work", TXXX + "WORK", "WORK", "©wrk"),
    Name("movement_name", "MVNM", "MOVEMENTNAME", "©mvn"),
    Name("title_sort", "TSOT", "TITLESORT", "sonm", ("title-sort", "sort_name", "wm/titlesortorder")),
    Name("artist_sort", "TSOP", "ARTISTSORT", "soar", ("artist-sort", "sort_artist", "wm/artistsortorder")),
    Name("album_sort", "TSOA", "ALBUMSORT", "soal", ("album-sort", "sort_album", "wm/albumsortorder")),
    Name("album_artist_sort", "TSO2", "ALBUMARTISTSORT", "soaa", ("sort_album_artist",)),
    Name("composer_sort", "TSOC", "COMPOSERSORT", "soco", ("sort_composer",)),
    # Sound Check, the loudness of Apple's players. Vorbis comments have no name for it.
    Name("itunnorm", "COMM:iTunNORM", None, FREEFORM + "iTunNORM"),
    _own("performer", "PERFORMER"),
    _own("energy", "EnergyLevel", "energy level", "energy"),
    _own("catalog_number", "CATALOGNUMBER", "wm/catalogno"),
    _own("barcode", "BARCODE", "wm/barcode"),
    *(
        _own(f"replaygain_{part}", f"replaygain_{part}".upper())
        for part in ("track_gain", "track_peak", "album_gain", "album_peak", "reference_loudness")
    ),
    *(
        _own(f"musicbrainz_{name}", f"MusicBrainz {spelling}", vorbis=f"MUSICBRAINZ_{name.upper()}")
        for name, spelling in (
            ("albumid", "Album Id"),
            ("artistid", "Artist Id"),
            ("albumartistid", "Album Artist Id"),
            ("releasegroupid", "Release Group Id"),
            ("releasetrackid", "Release Track Id"),
            ("trackid", "Track Id"),
            ("workid", "Work Id"),
            ("discid", "Disc Id"),
        )
    ),
)

INFO = ("title", "artist", "album", "genre", "date", "track", "comment", "copyright")
"""Names that FFmpeg reads from, and writes into, the INFO chunk of a WAV, which may stand beside an ID3 chunk."""

BY_NAME = {name.name: name for name in _NAMES}
_ALIASES = {
    alias.lower(): name
    for name in _NAMES
    for alias in (
        *name.aliases,
        name.id3.removeprefix(TXXX),
        name.vorbis or name.name,
        name.mp4.removeprefix(FREEFORM),
        name.name,
    )
}

# Tags about the file, its encoder or its purchase, which are wrong in a stem.
_ABOUT_THE_FILE = """
    encoder encoded_by encodedby encodersettings encoder_options encoding tsse tenc wm/encodingsettings
    wm/encodedby wmfsdkversion wmfsdkneeded isvbr major_brand minor_version compatible_brands creation_time
    duration tlen bps number_of_frames number_of_bytes handler_name vendor_id itunsmpb itunpgap itunes_cddb_1
    location metadata_block_picture coverart coverartmime acoustid_fingerprint ©too ©enc
    apid ownr akid atid cmid cnid geid plid sfid purd xid town owne comr
    tdtg tden tsiz tflt tofn tdly mllt aspi seek poss rbuf encr grid aenc link sign chap ctoc apic pic
"""
_NOT_INHERITED = frozenset(_ABOUT_THE_FILE.split()) | {"acoustid fingerprint"}
_NOT_INHERITED_PREFIXES = (
    *("_statistics", "deviceconformance", "id3v2_priv", "waveformatextensible", "mp3gain_"),
    *("com.apple.quicktime.", "com.android."),  # the phone that took a video, and where
)
_LANGUAGE = re.compile(r"-[a-z]{3}$", re.IGNORECASE)  # that FFmpeg appends to a name, as in `lyrics-eng`
# Cues, beat grids and the like of DJ programs. Their times count from the start of the file as that program decodes it.
_DJ_MARKS = re.compile(r"(\w+:)?(com\.serato\.|serato|traktor)|geob:(cuepoints|beatgrid)", re.IGNORECASE)
# Parts of these that describe the file: its waveform, and places of its frames.
_OF_ONE_FILE = re.compile(r".*(overview|offsets)", re.IGNORECASE)
_CHAPTER = re.compile(r"chapter\d{3}", re.IGNORECASE)


def canonical(native: str) -> str:
    """Return the name in `Tags.texts` of a tag that a file or FFmpeg calls `native`."""
    own = native.removeprefix(TXXX).removeprefix(FREEFORM)
    known = _ALIASES.get(own.lower()) or _ALIASES.get(_LANGUAGE.sub("", own.lower()))
    return known.name if known else own


def native(name: str, system: System) -> str | None:
    """Return the name of a tag of `Tags.texts` in `system`; None if the system can't store it."""
    known = BY_NAME.get(name)
    if known:
        return known.within(system)
    if not name:
        return None
    if system is System.VORBIS:
        return re.sub(r"[^ -<>-}]", "_", name).upper()  # printable ASCII without "="
    return (TXXX if system is System.ID3 else FREEFORM) + name


def is_inherited(native: str) -> bool:
    """Whether a stem may have the song's tag `native`."""
    name = native.removeprefix(TXXX).removeprefix(FREEFORM).lower()
    return not (
        _LANGUAGE.sub("", name).strip() in _NOT_INHERITED
        or name.startswith(_NOT_INHERITED_PREFIXES)
        or _CHAPTER.match(name)
        or (is_dj_mark(native) and _OF_ONE_FILE.match(name))
        or (name.startswith("priv:") and not is_dj_mark(native))
    )


def is_dj_mark(native: str) -> bool:
    """Whether the tag has cues or a beat grid in a DJ program's own form."""
    return _DJ_MARKS.match(native.removeprefix(TXXX).removeprefix("----:")) is not None
