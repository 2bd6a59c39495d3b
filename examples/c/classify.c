/* Runs a .tflite file on numbers from standard input, through LiteRT's C library.

   ./classify MODEL.tflite [LABELS.txt] < NUMBERS

   Numbers are separated by spaces, commas or new lines. Each sample has as many numbers as the model's input, and the
   program prints one line of outputs per sample. With labels (unzip -p MODEL.tflite labels.txt), the line ends with the
   predicted label. */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "litert.h"

enum { MAX_LABELS = 1000, LABEL_BYTES = 100 };

static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("classify: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

/* Calls LiteRT, and exits with a message if the status is not 0. */
#define CHECK(call) check(call, #call)
static void check(LiteRtStatus status, const char *call) {
  if (status) fail("%.*s says %d: %s", (int)strcspn(call, "("), call, status, status_text(status));
}

/* An input or output: its buffer, number of values, and quantization. */
typedef struct {
  LiteRtTensorBuffer buffer;
  LiteRtElementType type;
  size_t count;
  double scale, zero_point;
} Tensor;

static Tensor tensor_of(LiteRtTensor tensor, LiteRtEnvironment environment, LiteRtTensorBufferRequirements required) {
  Tensor made = {.count = 1, .scale = 1};
  LiteRtRankedTensorType type;
  LiteRtQuantizationTypeId quantization;
  CHECK(LiteRtGetRankedTensorType(tensor, &type));
  for (unsigned i = 0; i < type.layout.rank; i++) {
    if (type.layout.dimensions[i] < 1) fail("a dimension of the model is variable, which this program does not support");
    made.count *= (size_t)type.layout.dimensions[i];
  }
  made.type = type.element_type;
  if (made.type != FLOAT32 && made.type != INT32 && made.type != INT8) {
    fail("the model has values of type %d; this program supports float32, int32 and int8", made.type);
  }
  CHECK(LiteRtGetQuantizationTypeId(tensor, &quantization));
  if (quantization == PER_TENSOR) {
    LiteRtQuantizationPerTensor how;
    CHECK(LiteRtGetPerTensorQuantization(tensor, &how));
    made.scale = how.scale;
    made.zero_point = (double)how.zero_point;
  }
  CHECK(LiteRtCreateManagedTensorBufferFromRequirements(environment, &type, required, &made.buffer));
  return made;
}

static void write_values(Tensor to, const float *values) {
  void *memory;
  CHECK(LiteRtLockTensorBuffer(to.buffer, &memory, LOCK_WRITE));
  for (size_t i = 0; i < to.count; i++) {
    double scaled = nearbyint(values[i] / to.scale + to.zero_point); /* quantized, for an integer tensor */
    if (to.type == FLOAT32) ((float *)memory)[i] = values[i];
    if (to.type == INT32) ((int32_t *)memory)[i] = (int32_t)fmin(fmax(scaled, INT32_MIN), INT32_MAX);
    if (to.type == INT8) ((int8_t *)memory)[i] = (int8_t)fmin(fmax(scaled, INT8_MIN), INT8_MAX);
  }
  CHECK(LiteRtUnlockTensorBuffer(to.buffer));
}

static void read_values(Tensor from, float *values) {
  void *memory;
  CHECK(LiteRtLockTensorBuffer(from.buffer, &memory, LOCK_READ));
  for (size_t i = 0; i < from.count; i++) {
    if (from.type == FLOAT32) values[i] = ((float *)memory)[i];
    if (from.type == INT32) values[i] = (float)((((int32_t *)memory)[i] - from.zero_point) * from.scale);
    if (from.type == INT8) values[i] = (float)((((int8_t *)memory)[i] - from.zero_point) * from.scale);
  }
  CHECK(LiteRtUnlockTensorBuffer(from.buffer));
}

/* Reads the next sample; returns 0 at the end of the input. */
static int read_sample(float *values, size_t count) {
  for (size_t i = 0; i < count; i++) {
    int found = scanf(" %f", &values[i]);
    if (found == EOF && i == 0) return 0;
    if (found == EOF) fail("the input ends after %zu of the %zu numbers of a sample", i, count);
    if (found != 1 || !isfinite(values[i])) fail("number %zu of a sample is not a finite number", i + 1);
    if (scanf(" ,") == EOF && ferror(stdin)) fail("the input cannot be read: %s", strerror(errno));
  }
  return 1;
}

static size_t read_labels(const char *path, char labels[][LABEL_BYTES]) {
  size_t count = 0;
  FILE *file = fopen(path, "r");
  if (!file) fail("%s: %s", path, strerror(errno));
  while (count < MAX_LABELS && fgets(labels[count], LABEL_BYTES, file)) {
    labels[count][strcspn(labels[count], "\r\n")] = 0;
    count++;
  }
  fclose(file);
  return count;
}

/* The most probable class. A single output is the probability of the second label. */
static size_t predicted_label(const float *outputs, size_t count) {
  size_t best = 0;
  if (count == 1) return outputs[0] >= 0.5f;
  for (size_t i = 1; i < count; i++) {
    if (outputs[i] > outputs[best]) best = i;
  }
  return best;
}

int main(int argc, char **argv) {
  LiteRtEnvironment environment;
  LiteRtModel model;
  LiteRtOptions options;
  LiteRtCompiledModel compiled;
  LiteRtSignature signature;
  LiteRtTensor tensor;
  LiteRtTensorBufferRequirements required;
  LiteRtParamIndex signatures, inputs, outputs;
  static char labels[MAX_LABELS][LABEL_BYTES];

  if (argc < 2 || argc > 3) fail("usage: classify MODEL.tflite [LABELS.txt] < NUMBERS");
  size_t labelled = argc == 3 ? read_labels(argv[2], labels) : 0;
  FILE *readable = fopen(argv[1], "rb");
  if (!readable) fail("%s: %s", argv[1], strerror(errno));
  fclose(readable);

  LiteRtEnvOption quiet[] = {{MIN_SEVERITY, {INTEGER, ERROR}}, {ACCELERATORS, {INTEGER, CPU}}}; /* CPU only */
  CHECK(LiteRtCreateEnvironment(2, quiet, &environment));
  CHECK(LiteRtCreateModelFromFile(environment, argv[1], &model));
  CHECK(LiteRtGetNumModelSignatures(model, &signatures));
  if (signatures != 1) fail("%s has %zu signatures; this program runs files with one", argv[1], signatures);
  CHECK(LiteRtGetModelSignature(model, 0, &signature));
  CHECK(LiteRtGetNumSignatureInputs(signature, &inputs));
  CHECK(LiteRtGetNumSignatureOutputs(signature, &outputs));
  if (inputs != 1 || outputs != 1) {
    fail("%s has %zu inputs and %zu outputs; this program runs files with one of each", argv[1], inputs, outputs);
  }
  CHECK(LiteRtCreateOptions(&options));
  CHECK(LiteRtSetOptionsHardwareAccelerators(options, CPU));
  CHECK(LiteRtCreateCompiledModel(environment, model, options, &compiled));

  CHECK(LiteRtGetSignatureInputTensorByIndex(signature, 0, &tensor));
  CHECK(LiteRtGetCompiledModelInputBufferRequirements(compiled, 0, 0, &required));
  Tensor input = tensor_of(tensor, environment, required);
  CHECK(LiteRtGetSignatureOutputTensorByIndex(signature, 0, &tensor));
  CHECK(LiteRtGetCompiledModelOutputBufferRequirements(compiled, 0, 0, &required));
  Tensor output = tensor_of(tensor, environment, required);
  if (labelled && labelled != (output.count == 1 ? 2 : output.count)) {
    fail("%s has %zu labels, and the model %zu outputs", argv[2], labelled, output.count);
  }

  float *x = malloc(input.count * sizeof *x), *y = malloc(output.count * sizeof *y);
  if (!x || !y) fail("no memory for a sample of %zu numbers", input.count);
  while (read_sample(x, input.count)) {
    write_values(input, x);
    CHECK(LiteRtRunCompiledModel(compiled, 0, 1, &input.buffer, 1, &output.buffer));
    read_values(output, y);
    for (size_t i = 0; i < output.count; i++) printf("%s%.9g", i ? " " : "", y[i]);
    printf("%s%s\n", labelled ? " " : "", labelled ? labels[predicted_label(y, output.count)] : "");
  }
  free(x);
  free(y);
  LiteRtDestroyTensorBuffer(input.buffer);
  LiteRtDestroyTensorBuffer(output.buffer);
  LiteRtDestroyCompiledModel(compiled);
  LiteRtDestroyOptions(options);
  LiteRtDestroyModel(model);
  LiteRtDestroyEnvironment(environment);
  if (fflush(stdout) == EOF) fail("the output cannot be written: %s", strerror(errno));
  return 0;
}
