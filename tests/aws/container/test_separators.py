"""The container's models: those of the image, each loaded once for all choices that mean it."""

from __future__ import annotations

from unbraid.aws.container.separators import ThreadSafeSeparators

# As in an image that has only the bundled model, the tests' cache is empty and UNBRAID_OFFLINE is set.


def test_song_gets_no_notice_that_the_image_lacks_a_better_model() -> None:
    """Users can't download a model there, and the deployment chose the models."""
    loaded = ThreadSafeSeparators().get("auto", stems="vocals")
    assert (loaded.separator.model.name, loaded.notices) == ("lite", ())


def test_choices_of_the_same_model_share_the_loaded_one() -> None:
    separators = ThreadSafeSeparators()
    loaded = separators.get("auto", stems="vocals")
    assert separators.get("fast", stems="vocals") is separators.get("lite") is loaded
