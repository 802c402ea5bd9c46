/// Why nothing is generated: the place in the .proto files, and what is wrong there.
///
/// protoc prints the description.
package struct GenerationError: Error, Equatable, CustomStringConvertible {
    /// A full name such as `coffer.v1.StoreRequest.labels`, a file or a parameter.
    package let place: String
    /// What was expected, what came and what to do.
    package let problem: String

    package init(_ place: String, _ problem: String) {
        self.place = place
        self.problem = problem
    }

    package var description: String { "\(place): \(problem)" }
}
