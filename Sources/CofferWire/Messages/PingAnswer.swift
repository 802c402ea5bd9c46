internal import CofferMessages
package import CofferCore

/// What a daemon says of itself; the fields of `PingResponse`.
package struct PingAnswer: Sendable {
    package let version: String
    package let instance: String
    package let isDraining: Bool
    package let frameBytes: UInt32
    package let credentialBytes: UInt32
    package let waitingCalls: UInt32
    package let keys: UInt32
    package let callMilliseconds: UInt32

    package init(
        version: String, instance: String, isDraining: Bool, frameBytes: UInt32, credentialBytes: UInt32,
        waitingCalls: UInt32, keys: UInt32, callMilliseconds: UInt32
    ) {
        self.version = version
        self.instance = instance
        self.isDraining = isDraining
        self.frameBytes = frameBytes
        self.credentialBytes = credentialBytes
        self.waitingCalls = waitingCalls
        self.keys = keys
        self.callMilliseconds = callMilliseconds
    }
}

extension ReplyMessages {
    /// The encoded `PingResponse`.
    package static func pingResponse(_ answer: PingAnswer) -> Secret {
        let builder = MessageBuilder()
        let message = builder.message(Coffer__V1__PingResponse.self, coffer__v1__ping_response__init)
        message.pointee.version = builder.string(answer.version)
        message.pointee.instance = builder.string(answer.instance)
        message.pointee.draining = answer.isDraining ? 1 : 0
        message.pointee.max_frame_bytes = answer.frameBytes
        message.pointee.max_credential_bytes = answer.credentialBytes
        message.pointee.max_waiting_calls = answer.waitingCalls
        message.pointee.max_keys = answer.keys
        message.pointee.max_call_ms = answer.callMilliseconds
        return builder.pack(message)
    }
}
