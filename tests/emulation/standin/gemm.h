// Matrix products for the stand-in cuBLASLt.
#pragma once

#include <stdint.h>

// A matrix in memory: element (i, j) is elements[i * row_step + j * column_step], fp32 or bf16.
struct Matrix {
  void* elements;
  bool bf16;
  int64_t row_step, column_step;
};

// d[m,n] = alpha a[m,k] b[k,n] + beta c[m,n] + bias[m]; c is not read if beta is 0, and a null bias is 0. Accumulated in fp32, over k in an
// order that does not depend on m and n. The bias is of d's type.
void gemm(const Matrix& d, const Matrix& a, const Matrix& b, const Matrix& c, const void* bias, int64_t m, int64_t n, int64_t k,
          float alpha, float beta);
