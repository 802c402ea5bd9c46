internal import ArgumentParser
internal import CofferProcess

/// A duration on the command line; a bare number counts seconds.
package struct SecondsOption: ExpressibleByArgument, Sendable {
    package let duration: Duration

    package init(_ duration: Duration) { self.duration = duration }

    package init?(argument: String) {
        guard let duration = Quantity.duration(argument, bare: .seconds) else { return nil }
        self.duration = duration
    }

    package var defaultValueDescription: String { Quantity.text(duration) }
}

/// A duration on the command line; a bare number counts milliseconds.
package struct MillisecondsOption: ExpressibleByArgument, Sendable {
    package let duration: Duration

    package init?(argument: String) {
        guard let duration = Quantity.duration(argument, bare: .milliseconds) else { return nil }
        self.duration = duration
    }
}

/// A size on the command line; a bare number counts bytes.
package struct BytesOption: ExpressibleByArgument, Sendable {
    package let count: Int

    package init(_ count: Int) { self.count = count }

    package init?(argument: String) {
        guard let count = Quantity.bytes(argument) else { return nil }
        self.count = count
    }

    package var defaultValueDescription: String { Quantity.exact(Int64(count), .bytes) }
}
