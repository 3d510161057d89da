import type { Page } from 'playwright-core';

/** One picture of an animation, as WebP. */
interface Frame {
  picture: Buffer;
  /** In milliseconds. */
  duration: number;
}

/** Records what a page shows as an animated WebP, a frame for each look of the page that differs from the one before. */
export class Animation {
  readonly #page: Page;
  readonly #frames: Frame[] = [];

  constructor(page: Page) {
    this.#page = page;
  }

  /** Adds what the page shows now. @param duration how long the animation shows it, in milliseconds. */
  async add(duration: number): Promise<void> {
    const session = await this.#page.context().newCDPSession(this.#page);
    const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 50 });
    await session.detach();
    const picture = Buffer.from(data, 'base64');
    if (this.#frames.at(-1)?.picture.equals(picture)) return;
    this.#frames.push({ picture, duration });
  }

  /** @returns the file: https://developers.google.com/speed/webp/docs/riff_container */
  toBuffer(): Buffer {
    const { width = 0, height = 0 } = this.#page.viewportSize() ?? {};
    const size = Buffer.concat([uint24(width - 1), uint24(height - 1)]);
    const hasAnimation = Buffer.from([0b10, 0, 0, 0]);
    const frames = this.#frames.map(({ picture, duration }) => {
      const head = [uint24(0), uint24(0), size, uint24(duration), Buffer.from([0b10])]; // not blended
      return chunk('ANMF', ...head, bitstreamOf(picture));
    });
    const forever = Buffer.alloc(6); // on no background
    const chunks = [chunk('VP8X', hasAnimation, size), chunk('ANIM', forever), ...frames];
    return chunk('RIFF', Buffer.from('WEBP'), ...chunks);
  }
}

function uint24(value: number): Buffer {
  return Buffer.from([value, value >> 8, value >> 16]);
}

function chunk(name: string, ...content: Buffer[]): Buffer {
  const body = Buffer.concat(content);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(body.length);
  return Buffer.concat([Buffer.from(name), length, body, Buffer.alloc(body.length % 2)]);
}

/** @returns the chunk with the pixels of a WebP; the others are about colour. */
function bitstreamOf(picture: Buffer): Buffer {
  for (let at = 12; at < picture.length; ) {
    const length = picture.readUInt32LE(at + 4);
    const end = at + 8 + length + (length % 2);
    if (picture.toString('latin1', at, at + 3) === 'VP8' && picture[at + 3] !== 0x58) {
      return picture.subarray(at, end);
    }
    at = end;
  }
  throw new Error('This is no WebP.');
}
