import android.content.Context
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel

/** Runs a .tflite file from app/src/main/assets, one sample at a time. Not thread-safe. */
class Classifier(context: Context, file: String, private val labels: List<String>) : AutoCloseable {
  private val model = CompiledModel.create(context.assets, file, CompiledModel.Options(Accelerator.CPU))
  private val inputs = model.createInputBuffers()
  private val outputs = model.createOutputBuffers()

  /** Returns the label and its probability. The model's card describes the input; images are pixels, row by row. */
  fun classify(pixels: FloatArray): Pair<String, Float> {
    inputs[0].writeFloat(pixels)
    model.run(inputs, outputs)
    val probabilities = outputs[0].readFloat()
    val best = probabilities.indices.maxBy { probabilities[it] }
    return labels[best] to probabilities[best]
  }

  override fun close() {
    (inputs + outputs).forEach { it.close() }
    model.close()
  }
}
