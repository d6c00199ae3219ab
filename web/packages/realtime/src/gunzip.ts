/** canGunzip says whether this browser can: all since 2023 do. */
export const canGunzip = typeof DecompressionStream === 'function'

/** gunzip reads JSON from the base64 of its gzip. It rejects where that is neither. */
export async function gunzip(base64: string): Promise<unknown> {
  const packed = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0))
  const unpacked = new ReadableStream<BufferSource>({
    start(controller) {
      controller.enqueue(packed)
      controller.close()
    },
  }).pipeThrough(new DecompressionStream('gzip'))
  return new Response(unpacked).json()
}
