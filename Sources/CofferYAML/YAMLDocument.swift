/// Makes a tree of a text that holds one YAML document.
///
/// An alias becomes the value that its anchor names. Tags of YAML's own schema are
/// taken, others refused: what they ask for would not happen.
package struct YAMLDocument: ~Copyable {
    /// How deep values may lie in one another.
    package static let maximumDepth = 32
    /// How many values a document may have, each alias counted as all that it stands for.
    package static let maximumNodes = 100_000

    private struct Anchored {
        let node: YAMLNode
        let count: Int
        /// How deep values lie in one another there: 1 for a scalar.
        let height: Int
    }

    private var events: YAMLEventReader
    private var anchors: [String: Anchored] = [:]
    private var count = 0
    /// How deep the values read so far go, of those in the anchored value that is being read.
    private var deepest = 0

    /// - Returns: the root; nil for an empty text.
    package static func parse(_ text: String) throws(YAMLError) -> YAMLNode? {
        var document = YAMLDocument(text)
        return try document.root()
    }

    private init(_ text: String) { events = YAMLEventReader(text) }

    private mutating func root() throws(YAMLError) -> YAMLNode? {
        var root: YAMLNode?
        while true {
            let event = try events.next()
            switch event.kind {
            case .documentStart where root != nil:
                throw .malformed(problem: "found another document, expected one", event.mark)
            case .streamStart, .documentStart, .documentEnd: continue
            case .streamEnd: return root
            default: root = try node(event, depth: 1)
            }
        }
    }

    private mutating func node(_ event: YAMLEvent, depth: Int) throws(YAMLError) -> YAMLNode {
        try descend(to: depth, event.mark)
        let (before, outside) = (count, deepest)
        deepest = depth
        defer { deepest = max(deepest, outside) }
        try add(1, event.mark)
        switch event.kind {
        case .alias(let name):
            guard let anchored = anchors[name] else {
                throw .malformed(problem: "found an alias without its anchor", event.mark)
            }
            try add(anchored.count - 1, event.mark)
            try descend(to: depth + anchored.height - 1, event.mark)
            return anchored.node
        case .scalar(let text, let properties):
            let content = YAMLNode.Content.scalar(text)
            return try finish(content, event.mark, properties, isNull: properties.isNull(text), depth: depth, since: before)
        case .sequenceStart(let properties):
            let elements = try elements(depth: depth)
            return try finish(.sequence(elements), event.mark, properties, depth: depth, since: before)
        case .mappingStart(let properties):
            let pairs = try pairs(depth: depth)
            return try finish(.mapping(pairs), event.mark, properties, depth: depth, since: before)
        case .streamStart, .streamEnd, .documentStart, .documentEnd, .sequenceEnd, .mappingEnd, .other:
            throw .malformed(problem: "found no value where one was expected", event.mark)
        }
    }

    private mutating func descend(to depth: Int, _ mark: YAMLMark) throws(YAMLError) {
        guard depth <= Self.maximumDepth else {
            throw .malformed(problem: "found more than \(Self.maximumDepth) values in one another", mark)
        }
        deepest = max(deepest, depth)
    }

    private mutating func add(_ nodes: Int, _ mark: YAMLMark) throws(YAMLError) {
        count += nodes
        guard count <= Self.maximumNodes else {
            throw .malformed(problem: "found more than \(Self.maximumNodes) values", mark)
        }
    }

    private mutating func finish(
        _ content: YAMLNode.Content, _ mark: YAMLMark, _ properties: YAMLEvent.Properties, isNull: Bool = false,
        depth: Int, since before: Int
    ) throws(YAMLError) -> YAMLNode {
        guard properties.hasKnownTag else { throw .malformed(problem: "found a tag that is not YAML's own", mark) }
        guard !properties.isBinary else {
            throw .malformed(problem: "found the tag !!binary, which is not supported; write the text itself", mark)
        }
        let node = YAMLNode(content: content, mark: mark, isNull: isNull)
        if let anchor = properties.anchor { anchors[anchor] = Anchored(node: node, count: count - before, height: deepest - depth + 1) }
        return node
    }

    private mutating func elements(depth: Int) throws(YAMLError) -> [YAMLNode] {
        var elements: [YAMLNode] = []
        while true {
            let event = try events.next()
            if case .sequenceEnd = event.kind { return elements }
            elements.append(try node(event, depth: depth + 1))
        }
    }

    private mutating func pairs(depth: Int) throws(YAMLError) -> [YAMLNode.Pair] {
        var pairs: [YAMLNode.Pair] = []
        // How often each key came, and it as it came first.
        var known: [String: (first: YAMLNode, times: Int)] = [:]
        var duplicates: [String] = []
        while true {
            let event = try events.next()
            if case .mappingEnd = event.kind { break }
            let key = try node(event, depth: depth + 1)
            let value = try node(try events.next(), depth: depth + 1)
            pairs.append(.init(key: key, value: value))
            guard let text = key.scalar else { continue }
            known[text, default: (key, 0)].times += 1
            if known[text]?.times == 2 { duplicates.append(text) }
        }
        guard duplicates.isEmpty else { throw .duplicates(duplicates.compactMap { known[$0]?.first }) }
        return pairs
    }
}
