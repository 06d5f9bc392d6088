"""What comes out of the page's loudspeaker: read by an analyser at its very end, and by what was scheduled."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# Runs before the page's own script. It adds ears; nothing of what the page does is changed.
EARS = """
(() => {
  const ears = { analyser: null, context: null, starts: [] };
  window.ears = ears;
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    if (target === this.context.destination) {
      ears.context = this.context;
      ears.analyser = new AnalyserNode(this.context, { fftSize: 8192 });
      connect.call(this, ears.analyser);
    }
    return connect.call(this, target, ...rest);
  };
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...when) {
    const { sampleRate, length, numberOfChannels } = this.buffer;
    ears.starts.push({ when, sampleRate, length, numberOfChannels });
    return start.apply(this, when);
  };
})();
"""


def loudness(page: Page) -> float:
    """Root mean square of the last 8192 samples that were played, 0 to 1."""
    return float(
        page.evaluate(
            """() => {
              const samples = new Float32Array(8192);
              window.ears.analyser.getFloatTimeDomainData(samples);
              return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
            }"""
        )
    )


def context(page: Page) -> dict[str, Any]:
    """The audio context: its rate, its clock in seconds, and whether it runs."""
    found: dict[str, Any] = page.evaluate(
        "() => (({ sampleRate, currentTime, state }) => ({ sampleRate, currentTime, state }))(window.ears.context)"
    )
    return found


def scheduled(page: Page) -> list[dict[str, Any]]:
    """Each piece of each stem that was scheduled: `when` is (time, offset, duration) in seconds."""
    found: list[dict[str, Any]] = page.evaluate("() => window.ears.starts")
    return found
