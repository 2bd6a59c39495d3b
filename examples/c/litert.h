/* The part of LiteRT's C interface that classify.c uses, as of ai-edge-litert 2.3.0.

   The Python wheel contains the library without its headers. This file copies the declarations from LiteRT's
   litert/c/: litert_common.h, litert_any.h, litert_logging.h, litert_environment.h, litert_environment_options.h,
   litert_options.h, litert_layout.h, litert_model.h, litert_model_types.h, litert_compiled_model.h and
   litert_tensor_buffer.h. If you have these headers, include them instead. */
#ifndef LITERT_H
#define LITERT_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

typedef int LiteRtStatus; /* 0 means success */
typedef size_t LiteRtParamIndex;
typedef struct LiteRtEnvironmentT *LiteRtEnvironment;
typedef struct LiteRtModelT *LiteRtModel;
typedef struct LiteRtOptionsT *LiteRtOptions;
typedef struct LiteRtCompiledModelT *LiteRtCompiledModel;
typedef struct LiteRtSignatureT *LiteRtSignature;
typedef struct LiteRtTensorT *LiteRtTensor;
typedef struct LiteRtTensorBufferT *LiteRtTensorBuffer;
typedef struct LiteRtTensorBufferRequirementsT *LiteRtTensorBufferRequirements;

enum { CPU = 1 };                       /* kLiteRtHwAcceleratorCpu */
enum { LOCK_READ = 0, LOCK_WRITE = 1 }; /* kLiteRtTensorBufferLockModeRead, ...Write */
enum { ACCELERATORS = 24, MIN_SEVERITY = 25 }; /* kLiteRtEnvOptionTagAutoRegisterAccelerators, ...MinLoggerSeverity */
enum { INTEGER = 2 };                   /* kLiteRtAnyTypeInt */
enum { ERROR = 3 };                     /* kLiteRtLogSeverityError */
enum { PER_TENSOR = 1 };                /* kLiteRtQuantizationPerTensor */
typedef int LiteRtQuantizationTypeId;
typedef enum { FLOAT32 = 1, INT32 = 2, INT8 = 9 } LiteRtElementType; /* kLiteRtElementTypeFloat32, ... */

typedef struct {
  int tag;
  struct {
    int type;
    int64_t int_value; /* of a union of 8 bytes */
  } value;
} LiteRtEnvOption;
static_assert(sizeof(LiteRtEnvOption) == 24, "the layout of LiteRT's binary interface");

typedef struct {
  float scale;
  int64_t zero_point;
} LiteRtQuantizationPerTensor;

typedef struct {
  unsigned rank : 7, has_strides : 1;
  int32_t dimensions[8]; /* negative if the dimension is variable */
  uint32_t strides[8];
} LiteRtLayout;

typedef struct {
  LiteRtElementType element_type;
  LiteRtLayout layout;
} LiteRtRankedTensorType;
static_assert(sizeof(LiteRtRankedTensorType) == 72, "the layout of LiteRT's binary interface");

LiteRtStatus LiteRtCreateEnvironment(int count, const LiteRtEnvOption *options, LiteRtEnvironment *made);
void LiteRtDestroyEnvironment(LiteRtEnvironment environment);
LiteRtStatus LiteRtCreateModelFromFile(LiteRtEnvironment environment, const char *path, LiteRtModel *made);
void LiteRtDestroyModel(LiteRtModel model);
LiteRtStatus LiteRtCreateOptions(LiteRtOptions *made);
LiteRtStatus LiteRtSetOptionsHardwareAccelerators(LiteRtOptions options, int accelerators);
void LiteRtDestroyOptions(LiteRtOptions options);
LiteRtStatus LiteRtCreateCompiledModel(LiteRtEnvironment environment, LiteRtModel model, LiteRtOptions options,
                                       LiteRtCompiledModel *made);
void LiteRtDestroyCompiledModel(LiteRtCompiledModel model);

LiteRtStatus LiteRtGetNumModelSignatures(LiteRtModel model, LiteRtParamIndex *count);
LiteRtStatus LiteRtGetModelSignature(LiteRtModel model, LiteRtParamIndex index, LiteRtSignature *signature);
LiteRtStatus LiteRtGetNumSignatureInputs(LiteRtSignature signature, LiteRtParamIndex *count);
LiteRtStatus LiteRtGetNumSignatureOutputs(LiteRtSignature signature, LiteRtParamIndex *count);
LiteRtStatus LiteRtGetSignatureInputTensorByIndex(LiteRtSignature signature, LiteRtParamIndex index,
                                                  LiteRtTensor *tensor);
LiteRtStatus LiteRtGetSignatureOutputTensorByIndex(LiteRtSignature signature, LiteRtParamIndex index,
                                                   LiteRtTensor *tensor);
LiteRtStatus LiteRtGetRankedTensorType(LiteRtTensor tensor, LiteRtRankedTensorType *type);
LiteRtStatus LiteRtGetQuantizationTypeId(LiteRtTensor tensor, LiteRtQuantizationTypeId *id);
LiteRtStatus LiteRtGetPerTensorQuantization(LiteRtTensor tensor, LiteRtQuantizationPerTensor *quantization);

LiteRtStatus LiteRtGetCompiledModelInputBufferRequirements(LiteRtCompiledModel model, LiteRtParamIndex signature,
                                                           LiteRtParamIndex input,
                                                           LiteRtTensorBufferRequirements *required);
LiteRtStatus LiteRtGetCompiledModelOutputBufferRequirements(LiteRtCompiledModel model, LiteRtParamIndex signature,
                                                            LiteRtParamIndex output,
                                                            LiteRtTensorBufferRequirements *required);
LiteRtStatus LiteRtCreateManagedTensorBufferFromRequirements(LiteRtEnvironment environment,
                                                             const LiteRtRankedTensorType *type,
                                                             LiteRtTensorBufferRequirements required,
                                                             LiteRtTensorBuffer *made);
void LiteRtDestroyTensorBuffer(LiteRtTensorBuffer buffer);
LiteRtStatus LiteRtLockTensorBuffer(LiteRtTensorBuffer buffer, void **memory, int mode);
LiteRtStatus LiteRtUnlockTensorBuffer(LiteRtTensorBuffer buffer);
LiteRtStatus LiteRtRunCompiledModel(LiteRtCompiledModel model, LiteRtParamIndex signature, size_t num_inputs,
                                    LiteRtTensorBuffer *inputs, size_t num_outputs, LiteRtTensorBuffer *outputs);

static inline const char *status_text(LiteRtStatus status) {
  switch (status) { /* the values of LiteRtStatus that this program may get */
    case 1: return "invalid argument";
    case 2: return "no memory";
    case 3: return "runtime failure";
    case 5: return "unsupported";
    case 6: return "not found";
    case 500: return "the file cannot be read";
    case 501: return "the file is not a TFLite model, or damaged";
    case 504: return "the model cannot be compiled";
    default: return "see LiteRtStatus in litert_common.h";
  }
}

#endif
