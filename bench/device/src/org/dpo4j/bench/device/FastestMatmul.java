package org.dpo4j.bench.device;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.cublasLtCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmul;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulAlgoGetHeuristic;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulDescSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceInit;
import static org.bytedeco.cuda.global.cublas.cublasLtMatmulPreferenceSetAttribute;
import static org.bytedeco.cuda.global.cublas.cublasLtMatrixLayoutInit;
import static org.bytedeco.cuda.global.cudart.CUDA_R_16BF;
import static org.bytedeco.cuda.global.cudart.CUDA_R_32F;

import java.util.ArrayList;
import java.util.List;
import org.bytedeco.cuda.cublas.cublasLtContext;
import org.bytedeco.cuda.cublas.cublasLtMatmulAlgo_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulDescOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulHeuristicResult_t;
import org.bytedeco.cuda.cublas.cublasLtMatmulPreferenceOpaque_t;
import org.bytedeco.cuda.cublas.cublasLtMatrixLayoutOpaque_t;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.DeviceBuffer;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/**
 * A matrix product by the fastest of the algorithms that cuBLASLt proposes for its shape. The trainer uses one
 * algorithm for all batch sizes and times none; the benchmark {@code matmul} measures the difference. cuBLASLt is
 * column-major, so the operands are swapped.
 */
final class FastestMatmul implements AutoCloseable {
    private static final long WORKSPACE_BYTES = 64L << 20;
    private static final int PROPOSALS = 8;
    private static final int TRIALS = 3;

    private final CUstream_st stream;
    private final Device device;
    private final DeviceBuffer workspace;
    private final List<Pointer> owned = new ArrayList<>();
    private final cublasLtContext handle = new cublasLtContext();
    private final cublasLtMatmulDescOpaque_t description = own(new cublasLtMatmulDescOpaque_t());
    private final cublasLtMatrixLayoutOpaque_t layoutA = own(new cublasLtMatrixLayoutOpaque_t());
    private final cublasLtMatrixLayoutOpaque_t layoutB = own(new cublasLtMatrixLayoutOpaque_t());
    private final cublasLtMatrixLayoutOpaque_t layoutC = own(new cublasLtMatrixLayoutOpaque_t());
    private final FloatPointer zero = own(new FloatPointer(new float[] {0}));
    private final FloatPointer one = own(new FloatPointer(new float[] {1}));
    private final List<cublasLtMatmulHeuristicResult_t> proposals = new ArrayList<>();
    private cublasLtMatmulAlgo_t algorithm = new cublasLtMatmulAlgo_t((Pointer) null);

    FastestMatmul(Device device, Product product, DType inputs) {
        this.device = device;
        stream = new CUstream_st(new RawAddress(device.stream()));
        workspace = device.allocate(WORKSPACE_BYTES);
        check(cublasLtCreate(handle), "cublasLtCreate");
        check(cublasLtMatmulDescInit(description, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
        transpose(CUBLASLT_MATMUL_DESC_TRANSA, product.transposeB());
        transpose(CUBLASLT_MATMUL_DESC_TRANSB, product.transposeA());
        long m = product.m();
        long n = product.n();
        long k = product.k();
        layout(layoutC, product.output(), n, m);
        layout(layoutA, inputs, product.transposeA() ? m : k, product.transposeA() ? k : m);
        layout(layoutB, inputs, product.transposeB() ? k : n, product.transposeB() ? n : k);
        propose(product);
    }

    private <P extends Pointer> P own(P pointer) {
        owned.add(pointer);
        return pointer;
    }

    private void transpose(int attribute, boolean transpose) {
        try (IntPointer value = new IntPointer(1).put(transpose ? CUBLAS_OP_T : CUBLAS_OP_N)) {
            int status = cublasLtMatmulDescSetAttribute(description, attribute, value, Integer.BYTES);
            check(status, "cublasLtMatmulDescSetAttribute");
        }
    }

    private static void layout(cublasLtMatrixLayoutOpaque_t layout, DType dtype, long width, long rows) {
        int type = dtype == DType.BF16 ? CUDA_R_16BF : CUDA_R_32F;
        check(cublasLtMatrixLayoutInit(layout, type, width, rows, width), "cublasLtMatrixLayoutInit");
    }

    private void propose(Product product) {
        cublasLtMatmulPreferenceOpaque_t preference = own(new cublasLtMatmulPreferenceOpaque_t());
        check(cublasLtMatmulPreferenceInit(preference), "cublasLtMatmulPreferenceInit");
        try (LongPointer bytes = new LongPointer(1).put(WORKSPACE_BYTES)) {
            int status = cublasLtMatmulPreferenceSetAttribute(
                    preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes, Long.BYTES);
            check(status, "cublasLtMatmulPreferenceSetAttribute");
        }
        cublasLtMatmulHeuristicResult_t results = own(new cublasLtMatmulHeuristicResult_t(PROPOSALS));
        int[] count = new int[1];
        int status = cublasLtMatmulAlgoGetHeuristic(
                handle, description, layoutB, layoutA, layoutC, layoutC, preference, PROPOSALS, results, count);
        check(status, "cublasLtMatmulAlgoGetHeuristic for " + product);
        for (int i = 0; i < count[0]; i++) {
            proposals.add(results.getPointer(i));
        }
        if (proposals.isEmpty()) {
            throw new Dpo4jException("cuBLASLt proposes no algorithm for " + product);
        }
    }

    /** Times every proposed algorithm on these matrices, and keeps the fastest. */
    void choose(long c, long a, long b) {
        double min = Double.POSITIVE_INFINITY;
        @Nullable cublasLtMatmulAlgo_t best = null;
        Clock clock = new Clock(device);
        for (cublasLtMatmulHeuristicResult_t proposal : proposals) {
            algorithm = proposal.algo();
            if (proposal.state() != 0 || queue(c, a, b) != 0) {
                continue;
            }
            double time = clock.microseconds(TRIALS, turn -> queue(c, a, b));
            if (time < min) {
                min = time;
                best = algorithm;
            }
        }
        if (best == null) {
            throw new Dpo4jException("cuBLASLt runs none of the " + proposals.size() + " algorithms that it proposes");
        }
        algorithm = best;
    }

    void multiply(long c, long a, long b) {
        check(queue(c, a, b), "cublasLtMatmul");
    }

    private int queue(long c, long a, long b) {
        RawAddress addressC = new RawAddress(c);
        return cublasLtMatmul(
                handle,
                description,
                one,
                new RawAddress(b),
                layoutB,
                new RawAddress(a),
                layoutA,
                zero,
                addressC,
                layoutC,
                addressC,
                layoutC,
                algorithm,
                new RawAddress(workspace.address()),
                WORKSPACE_BYTES,
                stream);
    }

    private static void check(int status, String call) {
        if (status != 0) {
            throw new Dpo4jException(call + " failed with status " + status);
        }
    }

    @Override
    public void close() {
        workspace.close(); // waits for the stream
        owned.forEach(Pointer::close);
        check(cublasLtDestroy(handle), "cublasLtDestroy");
    }
}
