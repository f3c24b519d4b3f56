package org.dpo4j.bench.device;

import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.MatmulShape;

/**
 * A matrix product {@code c[m,n] = op(a) op(b)} with contiguous matrices, as a linear layer computes it.
 *
 * @param transposeA a is stored [k,m]
 * @param transposeB b is stored [n,k]
 * @param output storage of c
 */
record Product(long m, long n, long k, boolean transposeA, boolean transposeB, DType output) {

    /** {@code y[rows,out] = x[rows,in] W[out,in]^T}. */
    static Product forward(long rows, long in, long out, DType output) {
        return new Product(rows, out, in, false, true, output);
    }

    /** {@code dx[rows,in] = dy[rows,out] W[out,in]}. */
    static Product inputGradient(long rows, long in, long out, DType output) {
        return new Product(rows, in, out, false, false, output);
    }

    /** {@code dW[out,in] = dy[rows,out]^T x[rows,in]}, in fp32. */
    static Product weightGradient(long rows, long in, long out) {
        return new Product(out, in, rows, true, false, DType.F32);
    }

    double flops() {
        return 2.0 * m * n * k;
    }

    long strideA() {
        return transposeA ? m : k;
    }

    long strideB() {
        return transposeB ? k : n;
    }

    /** The call that the trainer makes. */
    MatmulShape matmul(DType inputs) {
        MatmulShape.Strides strides = new MatmulShape.Strides(n, strideA(), strideB());
        return new MatmulShape(m, n, k, strides, transposeA, transposeB, output, inputs);
    }

    /** Queues the product as the trainer does. */
    void multiply(Device device, long c, long a, long b, boolean accumulate, DType inputs) {
        device.matmul(c, a, b, matmul(inputs), accumulate);
    }
}
