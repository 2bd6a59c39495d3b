import Foundation
import TensorFlowLite

/// Runs a .tflite file from the app's bundle, one sample at a time. Not thread-safe.
final class Classifier {
  private let interpreter: Interpreter
  private let labels: [String]

  init(file: String, labels: [String]) throws {
    guard let path = Bundle.main.path(forResource: file, ofType: "tflite") else { throw CocoaError(.fileNoSuchFile) }
    self.labels = labels
    interpreter = try Interpreter(modelPath: path)
    try interpreter.allocateTensors()
  }

  /// Returns the label and its probability. The model's card describes the input; images are pixels, row by row.
  func classify(_ pixels: [Float32]) throws -> (label: String, probability: Float32) {
    try interpreter.copy(pixels.withUnsafeBufferPointer { Data(buffer: $0) }, toInputAt: 0)
    try interpreter.invoke()
    let probabilities = try interpreter.output(at: 0).data.withUnsafeBytes { Array($0.bindMemory(to: Float32.self)) }
    let best = probabilities.indices.max { probabilities[$0] < probabilities[$1] }!
    return (labels[best], probabilities[best])
  }
}
