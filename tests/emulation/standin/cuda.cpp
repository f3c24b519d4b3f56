// The stand-in libcuda, to which the JavaCPP presets link: the few driver calls that they make.
#include "standin.h"

DPO4J_STANDIN int cuInit(unsigned flags) { return flags == 0 ? cudaSuccess : cudaErrorInvalidValue; }

DPO4J_STANDIN int cuDriverGetVersion(int* version) {
  if (version == nullptr) return cudaErrorInvalidValue;
  *version = 13010;
  return cudaSuccess;
}

DPO4J_STANDIN int cuDeviceGetCount(int* count) {
  if (count == nullptr) return cudaErrorInvalidValue;
  *count = 1;
  return cudaSuccess;
}
