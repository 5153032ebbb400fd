import { assertEquals, assertThrows } from "@std/assert";
import { inspectJpeg, jpegInfo, NotAJpeg } from "../../kafka/jpeg.ts";
import { joined, jpegFixture, numberedJpeg } from "../jpegs.ts";
import { Random } from "../random.ts";

const soi = [0xff, 0xd8], eoi = [0xff, 0xd9];
/** A frame header of 64×48 pixels. */
const sof = [0xff, 0xc0, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0];
const sos = [0xff, 0xda, 0, 8, 1, 1, 0, 0, 63, 0];

for (const name of ["baseline", "progressive", "exif_thumbnail", "restart_markers"] as const) {
  Deno.test(`inspectJpeg() tells the size of a picture: ${name}`, () => {
    assertEquals(inspectJpeg(jpegFixture(name)), {
      width: 64,
      height: 48,
      isProgressive: name === "progressive",
    });
  });
}

Deno.test("inspectJpeg() tells sizes up to those of the largest cameras", () => {
  for (const [width, height] of [[1, 1], [320, 180], [5472, 3648]] as const) {
    assertEquals(inspectJpeg(numberedJpeg(7, { width, height })), { width, height, isProgressive: false });
  }
});

Deno.test("inspectJpeg() takes fill bytes before markers, and zeros and line ends behind the last one", () => {
  const filled = joined(soi, [0xff, 0xff], sof, [0xff, 0xff, 0xff], sos, [1, 2, 3], eoi);
  for (const behind of [[], [0, 0, 0], [0x0d, 0x0a]]) {
    assertEquals(inspectJpeg(joined(filled, behind)).width, 64);
  }
});

Deno.test("inspectJpeg() names what it found in bytes that are no JPEG, and what it wanted", () => {
  const wrong: readonly (readonly [what: string, bytes: ArrayLike<number>, message: string])[] = [
    ["nothing", [], "Found nothing, wanted a JPEG"],
    ["a PNG", [0x89, 0x50, 0x4e, 0x47, 0x0d], "Found 5 bytes that begin with 89 50 4E 47, wanted a JPEG"],
    ["a beginning alone", soi, "wanted a marker"],
    ["no marker", [...soi, 1, 2], "Found 01 at byte 2 of a JPEG, wanted a marker"],
    ["a stuffed byte outside of a scan", [...soi, 0xff, 0x00], "Found no marker at byte 2"],
    ["no picture", [...soi, ...eoi], "ends before its picture"],
    ["no frame header", [...soi, ...sos, 1, ...eoi], "without a frame header"],
    ["a segment that is cut", [...soi, 0xff, 0xe0, 0, 16, 1], "breaks off in segment E0"],
    ["a length below 2", [...soi, 0xff, 0xe0, 0, 1], "breaks off in segment E0"],
    [
      "a short frame header",
      [...soi, 0xff, 0xc0, 0, 7, 8, 0, 48, 0, 64, ...sos, ...eoi],
      "frame header has 7",
    ],
    ["no width", [...soi, 0xff, 0xc0, 0, 8, 8, 0, 48, 0, 0, 1, ...sos, ...eoi], "0×48 pixels"],
    ["no end", [...soi, ...sof, ...sos, 1, 2], "does not end with FF D9"],
  ];
  for (const [what, bytes, message] of wrong) {
    assertThrows(() => inspectJpeg(Uint8Array.from(bytes)), NotAJpeg, message, what);
    assertEquals(jpegInfo(Uint8Array.from(bytes)), null);
  }
});

Deno.test("inspectJpeg() refuses every JPEG that breaks off, wherever it does", () => {
  for (const name of ["baseline", "progressive", "exif_thumbnail", "restart_markers"] as const) {
    const whole = jpegFixture(name);
    for (let length = 0; length < whole.length; length++) {
      assertEquals(jpegInfo(whole.subarray(0, length)), null, `${name}, ${length} bytes`);
    }
  }
});

Deno.test("inspectJpeg() throws nothing but NotAJpeg, whatever it is given", () => {
  const random = new Random("inspectJpeg");
  const originals = (["baseline", "progressive", "exif_thumbnail"] as const).map(jpegFixture);
  for (let n = 0; n < 20_000; n++) {
    const bytes = originals[n % originals.length]!.slice(0, random.between(0, 2_000));
    for (let flips = random.between(0, 6); flips > 0 && bytes.length > 0; flips--) {
      bytes[random.between(0, bytes.length - 1)] = random.between(0, 255);
    }
    jpegInfo(bytes);
  }
});
