"""Record everything that a page plays, sample by sample, from each audio context."""

from __future__ import annotations

import base64
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

# Runs before the page's own script and does not change what the page does. Open the page with `bypass_csp`.
SCRIPT = """
(() => {
  const code = `registerProcessor('recorder', class extends AudioWorkletProcessor {
    process([input]) {
      const samples = input[0] === undefined ? new Float32Array(128) : input[0].slice();
      this.port.postMessage({ frame: currentFrame, samples });
      return true;
    }
  })`;
  const recordings = [];
  window.recordings = recordings;
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    const { context } = this;
    if (target === context.destination && !recordings.some((one) => one.context === context)) {
      const recording = { context, blocks: [], clocks: [] };
      recordings.push(recording);
      const module = URL.createObjectURL(new Blob([code], { type: 'text/javascript' }));
      void context.audioWorklet.addModule(module).then(() => {
        const options = { numberOfOutputs: 0, channelCount: 1, channelCountMode: 'explicit' };
        const node = new AudioWorkletNode(context, 'recorder', options);
        node.port.onmessage = ({ data }) => {
          recording.blocks.push(data);
          recording.clocks.push([performance.now() / 1000, context.currentTime]);
        };
        connect.call(this, node);
      });
    }
    return connect.call(this, target, ...rest);
  };
})();
"""


@dataclass(frozen=True)
class Recording:
    """What one context played: the mean of its channels."""

    rate: int
    samples: NDArray[np.float64]
    first_s: float
    """Time of the first sample, by the clock of the context."""
    clocks: NDArray[np.float64]
    """Times by the clock of the page and by that of the context, (times, 2)."""

    @property
    def sound(self) -> tuple[int, int]:
        """Where the sound begins and ends."""
        places = np.flatnonzero(self.samples)
        return int(places[0]), int(places[-1]) + 1

    def page_time(self, index: int) -> float:
        """Return when a sample was played, by the clock of the page. A context may have been suspended before."""
        time = self.first_s + index / self.rate
        since = self.clocks[:, 1] - time
        near = self.clocks[(since >= 0) & (since < 0.5)]
        return time + float((near[:, 0] - near[:, 1]).min())


def recordings(page: Page) -> list[Recording]:
    """Return what each context has played so far, in the order of their first sound."""
    found = page.evaluate(
        """() => window.recordings.filter((one) => one.blocks.length > 0).map((recording) => {
          const { context, blocks, clocks } = recording;
          const first = blocks[0].frame; // frames are missing where the context was suspended
          const all = new Float32Array(blocks.at(-1).frame - first + 128);
          for (const { frame, samples } of blocks) all.set(samples, frame - first);
          const bytes = new Uint8Array(all.buffer);
          let text = '';
          for (let at = 0; at < bytes.length; at += 8192)
            text += String.fromCharCode(...bytes.subarray(at, at + 8192));
          return { rate: context.sampleRate, first, clocks, sound: btoa(text) };
        })"""
    )
    results = []
    for one in found:
        samples = np.frombuffer(base64.b64decode(one["sound"]), "<f4").astype(np.float64)
        clocks = np.array(one["clocks"])
        results.append(Recording(one["rate"], samples, one["first"] / one["rate"], clocks))
    return results
