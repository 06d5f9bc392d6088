"""Observe the page's audio: an analyser at its output, and a record of every scheduled start."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

# Runs before the page's own script and does not change what the page does. The dropped file itself sounds in an audio
# context of its own, which is left out.
SCRIPT = """
(() => {
  const probe = { analyser: null, context: null, starts: [], blocks: [] };
  window.audioProbe = probe;
  const originals = new WeakSet();
  const createSource = AudioContext.prototype.createMediaElementSource;
  AudioContext.prototype.createMediaElementSource = function (element) {
    originals.add(this);
    return createSource.call(this, element);
  };
  const connect = AudioNode.prototype.connect;
  AudioNode.prototype.connect = function (target, ...rest) {
    const isOutput = target === this.context.destination && this !== probe.recorder;
    if (isOutput && !originals.has(this.context)) {
      probe.context = this.context;
      probe.analyser = new AnalyserNode(this.context, { fftSize: 8192 });
      connect.call(this, probe.analyser);
    }
    return connect.call(this, target, ...rest);
  };
  const started = new WeakMap();
  const start = AudioBufferSourceNode.prototype.start;
  AudioBufferSourceNode.prototype.start = function (...when) {
    const { sampleRate, length, numberOfChannels } = this.buffer;
    const playbackRate = this.playbackRate.value;
    const isClick = length < 0.1 * sampleRate;
    const called = this.context.currentTime;
    const record = { when, called, sampleRate, length, numberOfChannels, playbackRate };
    if (!isClick) probe.starts.push(record);
    started.set(this, record);
    return start.apply(this, when);
  };
  // A piece whose time had come before all its stems were there is stopped, and started again.
  const stop = AudioBufferSourceNode.prototype.stop;
  AudioBufferSourceNode.prototype.stop = function (...when) {
    const record = started.get(this);
    if (when.length === 0 && record !== undefined && this.context.currentTime < record.when[0] + 1)
      probe.starts = probe.starts.filter((one) => one !== record);
    return stop.apply(this, when);
  };
})();
"""


def loudness(page: Page) -> float:
    """Root mean square of the last 8192 samples played, 0 to 1."""
    return float(
        page.evaluate(
            """() => {
              const samples = new Float32Array(8192);
              window.audioProbe.analyser.getFloatTimeDomainData(samples);
              return Math.sqrt(samples.reduce((sum, x) => sum + x * x, 0) / samples.length);
            }"""
        )
    )


def wait_until_heard(page: Page) -> None:
    """Wait until sound leaves the page."""
    page.wait_for_function(
        """() => {
          const samples = new Float32Array(8192);
          window.audioProbe.analyser?.getFloatTimeDomainData(samples);
          return samples.reduce((sum, x) => sum + x * x, 0) / samples.length > 0.01 ** 2;
        }"""
    )


def pitch_hz(page: Page) -> float:
    """Frequency of the loudest partial of the last 8192 samples played, in Hz, interpolated between bins."""
    samples = page.evaluate(
        """() => {
          const samples = new Float32Array(8192);
          window.audioProbe.analyser.getFloatTimeDomainData(samples);
          return [...samples];
        }"""
    )
    levels = np.log(np.abs(np.fft.rfft(np.array(samples) * np.hanning(8192))) + 1e-12)
    peak = int(np.argmax(levels[1:-1])) + 1
    left, middle, right = levels[peak - 1 : peak + 2]
    offset = (left - right) / (2 * (left - 2 * middle + right))
    return float((peak + offset) * context(page)["sampleRate"] / 8192)


def context(page: Page) -> dict[str, Any]:
    """The audio context's `sampleRate`, `currentTime` in seconds and `state`."""
    properties: dict[str, Any] = page.evaluate(
        """() => {
          const { sampleRate, currentTime, state } = window.audioProbe.context;
          return { sampleRate, currentTime, state };
        }"""
    )
    return properties


def scheduled(page: Page) -> list[dict[str, Any]]:
    """Every scheduled piece of every stem: `when` is (time, offset, duration) in seconds, `called` the time before."""
    starts: list[dict[str, Any]] = page.evaluate("() => window.audioProbe.starts")
    return starts


def record(page: Page) -> None:
    """Start to record what the page plays, once it has played something. Needs a visit with `bypass_csp`."""
    page.evaluate(
        """async () => {
          const probe = window.audioProbe;
          const code = `registerProcessor('recorder', class extends AudioWorkletProcessor {
            process([input]) {
              const silence = new Float32Array(128);
              this.port.postMessage([0, 1].map((channel) => (input[channel] ?? input[0] ?? silence).slice()));
              return true;
            }
          })`;
          const script = new Blob([code], { type: 'text/javascript' });
          await probe.context.audioWorklet.addModule(URL.createObjectURL(script));
          probe.recorder = new AudioWorkletNode(probe.context, 'recorder');
          probe.recorder.port.onmessage = ({ data }) => probe.blocks.push(data);
          probe.analyser.connect(probe.recorder);
          probe.recorder.connect(probe.context.destination);
        }"""
    )


def recording(page: Page, seconds: float) -> NDArray[np.float32]:
    """Wait until `seconds` are recorded, and return all of it: (2, samples)."""
    rate = context(page)["sampleRate"]
    page.wait_for_function(f"() => window.audioProbe.blocks.length * 128 > {seconds * rate}")
    text = page.evaluate(
        """() => {
          const bytes = [0, 1].flatMap((channel) => window.audioProbe.blocks.map((block) => block[channel]));
          return new Promise((done) => {
            const reader = new FileReader();
            reader.onload = () => done(reader.result.split(',')[1]);
            reader.readAsDataURL(new Blob(bytes));
          });
        }"""
    )
    return np.frombuffer(base64.b64decode(text), np.float32).reshape(2, -1)


def wait_until_played(page: Page, seconds: float) -> None:
    """Wait until the audio context has run for this long."""
    page.wait_for_function(f"() => window.audioProbe.context?.currentTime > {seconds}")
