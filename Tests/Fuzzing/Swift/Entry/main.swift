import Glibc

@_silgen_name("LLVMFuzzerMutate")
private func mutateBlindly(_ data: UnsafeMutableRawPointer, _ size: Int, _ maximumSize: Int) -> Int

@_cdecl("LLVMFuzzerInitialize")
public func initialize(
    _: UnsafeMutablePointer<Int32>, _: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>>>
) -> Int32 {
    _ = Entry.target
    atexit { Entry.report() }
    return 0
}

@_cdecl("LLVMFuzzerTestOneInput")
public func testOneInput(_ data: UnsafeRawPointer?, _ size: Int) -> Int32 {
    Entry.play(UnsafeRawBufferPointer(start: data, count: size))
    return 0
}

/// Inputs for the service are changed as streams of frames, others as bytes.
@_cdecl("LLVMFuzzerCustomMutator")
public func mutate(
    _ data: UnsafeMutableRawPointer, _ size: Int, _ maximumSize: Int, _ seed: UInt32
) -> Int {
    guard Entry.target == .service else { return mutateBlindly(data, size, maximumSize) }
    var mutator = StreamMutator(seed: UInt64(seed)) { bytes in
        let room = bytes.count + 16
        return [UInt8](unsafeUninitializedCapacity: room) { buffer, count in
            _ = buffer.initialize(from: bytes)
            count = mutateBlindly(buffer.baseAddress!, bytes.count, room)
        }
    }
    let input = Array(UnsafeRawBufferPointer(start: data, count: size))
    let output = mutator.mutate(input, maximumBytes: maximumSize)
    output.withUnsafeBytes { data.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
    return output.count
}
