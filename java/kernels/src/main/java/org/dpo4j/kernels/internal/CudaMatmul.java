package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cublas.CUBLASLT_EPILOGUE_BIAS;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_BIAS_POINTER;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_EPILOGUE;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSA;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_DESC_TRANSB;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
import static org.bytedeco.cuda.global.cublas.CUBLASLT_REDUCTION_SCHEME_NONE;
import static org.bytedeco.cuda.global.cublas.CUBLAS_COMPUTE_32F;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_N;
import static org.bytedeco.cuda.global.cublas.CUBLAS_OP_T;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_INVALID_VALUE;
import static org.bytedeco.cuda.global.cublas.CUBLAS_STATUS_NOT_SUPPORTED;
import static org.bytedeco.cuda.global.cublas.cublasLtCreate;
import static org.bytedeco.cuda.global.cublas.cublasLtDestroy;
import static org.bytedeco.cuda.global.cublas.cublasLtGetStatusName;
import static org.bytedeco.cuda.global.cublas.cublasLtGetVersion;
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
import java.util.HashMap;
import java.util.List;
import java.util.Map;
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
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.kernels.MatmulShape;

/**
 * Matrix products by cuBLASLt on one stream. fp32 arithmetic is fp32, never TF32.
 *
 * <p>cuBLASLt is column-major, and a row-major matrix read by columns is its transpose. So {@code c = op(a) op(b)} is
 * computed as {@code c' = op(b)' op(a)'}: the operands are swapped, and no data moves.
 *
 * <p>An algorithm is chosen once per {@link MatmulRules#nominal nominal shape}, for all batch sizes. So the training
 * loop, where every batch has another number of rows, chooses no algorithms; and a row has the same bits in every
 * batch, because the algorithm decides how an element is summed. Products of few rows, in generation, have algorithms
 * of their own. cuBLASLt 13.10 and later are also told that rows must not depend on each other, which rules out algorithms
 * whose order of a sum depends on the number of tiles. If that algorithm refuses a shape, one is chosen for
 * this shape alone. Split-K is allowed for the long sums of a weight's gradient, but only with fp32 partial sums in the
 * workspace that are added in order.
 */
final class CudaMatmul implements AutoCloseable {
    /** NVIDIA's recommendation for Hopper and later. Algorithms that need more are not considered. */
    private static final long WORKSPACE_BYTES = 32L << 20;

    /** The first version with {@link #BATCH_INVARIANCE_FLAGS}, as {@code cublasLtGetVersion} counts. */
    private static final long SINCE_BATCH_INVARIANCE = 131_000;

    /** An attribute of a product that the presets lack: CUBLASLT_MATMUL_DESC_BATCH_INVARIANCE_FLAGS. */
    private static final int BATCH_INVARIANCE_FLAGS = 41;

    /**
     * CUBLASLT_BATCH_INVARIANCE_DISABLED and _AUTO. With the latter, results are invariant between calls that have the same
     * alignment of up to 16 bytes, which all products of one shape have.
     */
    private static final int INVARIANCE_DISABLED = 0;

    private static final int INVARIANCE_AUTO = 8;

    private static final System.Logger LOG = System.getLogger("org.dpo4j.kernels");

    private final CUstream_st stream;
    private final long workspace;
    private final List<Pointer> owned = new ArrayList<>();
    private final cublasLtContext handle = new cublasLtContext();
    private final List<cublasLtMatmulDescOpaque_t> descriptions = new ArrayList<>();
    private final cublasLtMatrixLayoutOpaque_t layoutC = own(new cublasLtMatrixLayoutOpaque_t());
    private final cublasLtMatrixLayoutOpaque_t layoutA = own(new cublasLtMatrixLayoutOpaque_t());
    private final cublasLtMatrixLayoutOpaque_t layoutB = own(new cublasLtMatrixLayoutOpaque_t());
    private final cublasLtMatmulPreferenceOpaque_t preference = own(new cublasLtMatmulPreferenceOpaque_t());
    private final FloatPointer zero = own(new FloatPointer(new float[] {0}));
    private final FloatPointer alpha = own(new FloatPointer(1));
    private final FloatPointer one = own(new FloatPointer(new float[] {1}));
    private final LongPointer bias = own(new LongPointer(1));
    private final Map<Product, cublasLtMatmulAlgo_t> algorithms = new HashMap<>();

    /** Addresses of a product; {@code bias} is {@link MatmulRules#NO_BIAS} if it has none. */
    record Addresses(long c, long a, long b, long bias) {}

    /**
     * What the choice of an algorithm depends on.
     *
     * @param rows the number of batch rows of the nominal shape. It belongs to the key: a batch that has 64 rows by chance
     *     must not get the algorithm that was chosen for few rows
     */
    private record Product(MatmulShape shape, boolean hasBias, long rows) {
        Product nominal() {
            return new Product(MatmulRules.nominal(shape, rows), hasBias, rows);
        }

        int description() {
            return (shape.transposeA() ? 1 : 0) + (shape.transposeB() ? 2 : 0) + (hasBias ? 4 : 0);
        }

        @Override
        public String toString() {
            return shape + (hasBias ? ", with bias" : "");
        }
    }

    CudaMatmul(CUstream_st stream, int ordinal) {
        this.stream = stream;
        workspace = CudaRuntime.allocate(WORKSPACE_BYTES, ordinal);
        try {
            check(cublasLtCreate(handle), "cublasLtCreate");
            for (int i = 0; i < 8; i++) {
                descriptions.add(
                        describe(own(new cublasLtMatmulDescOpaque_t()), (i & 1) != 0, (i & 2) != 0, (i & 4) != 0));
            }
            prefer();
        } catch (Dpo4jException e) {
            close();
            throw e;
        }
    }

    private <P extends Pointer> P own(P pointer) {
        owned.add(pointer);
        return pointer;
    }

    private static cublasLtMatmulDescOpaque_t describe(
            cublasLtMatmulDescOpaque_t description, boolean transposeA, boolean transposeB, boolean hasBias) {
        check(cublasLtMatmulDescInit(description, CUBLAS_COMPUTE_32F, CUDA_R_32F), "cublasLtMatmulDescInit");
        set(description, CUBLASLT_MATMUL_DESC_TRANSA, transposeB ? CUBLAS_OP_T : CUBLAS_OP_N);
        set(description, CUBLASLT_MATMUL_DESC_TRANSB, transposeA ? CUBLAS_OP_T : CUBLAS_OP_N);
        if (hasBias) {
            set(description, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
        }
        if (!transposeA && cublasLtGetVersion() >= SINCE_BATCH_INVARIANCE) {
            set(description, BATCH_INVARIANCE_FLAGS, INVARIANCE_AUTO);
        }
        return description;
    }

    private static void set(cublasLtMatmulDescOpaque_t description, int attribute, int value) {
        try (IntPointer pointer = new IntPointer(1).put(value)) {
            int status = cublasLtMatmulDescSetAttribute(description, attribute, pointer, Integer.BYTES);
            check(status, "cublasLtMatmulDescSetAttribute");
        }
    }

    private void prefer() {
        check(cublasLtMatmulPreferenceInit(preference), "cublasLtMatmulPreferenceInit");
        try (LongPointer bytes = new LongPointer(1).put(WORKSPACE_BYTES)) {
            prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, bytes, Long.BYTES);
        }
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, MatmulRules.ALIGNMENT);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, MatmulRules.ALIGNMENT);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, MatmulRules.ALIGNMENT);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, MatmulRules.ALIGNMENT);
    }

    private void prefer(int attribute, int value) {
        try (IntPointer pointer = new IntPointer(1).put(value)) {
            prefer(attribute, pointer, Integer.BYTES);
        }
    }

    private void prefer(int attribute, Pointer value, long bytes) {
        int status = cublasLtMatmulPreferenceSetAttribute(preference, attribute, value, bytes);
        check(status, "cublasLtMatmulPreferenceSetAttribute");
    }

    /** {@code rows}: {@link MatmulRules#NOMINAL_ROWS} or {@link MatmulRules#FEW_ROWS}. */
    void multiply(Addresses at, MatmulShape shape, boolean accumulate, long rows) {
        Product product = new Product(shape, at.bias != MatmulRules.NO_BIAS, rows);
        if (product.hasBias) {
            int status = cublasLtMatmulDescSetAttribute(
                    description(product), CUBLASLT_MATMUL_DESC_BIAS_POINTER, bias.put(at.bias), Long.BYTES);
            check(status, "cublasLtMatmulDescSetAttribute");
        }
        cublasLtMatmulAlgo_t exact = algorithms.get(product);
        int status = multiply(at, product, accumulate, exact != null ? exact : algorithm(product.nominal()));
        if (exact == null && (status == CUBLAS_STATUS_NOT_SUPPORTED || status == CUBLAS_STATUS_INVALID_VALUE)) {
            LOG.log(
                    System.Logger.Level.WARNING,
                    "cuBLASLt has no algorithm for {0} that serves every batch size: rows may differ in their last"
                            + " bits between batches of different sizes",
                    product);
            status = multiply(at, product, accumulate, algorithm(product));
        }
        if (status != 0) {
            throw failure(status, "cublasLtMatmul of " + product);
        }
    }

    private int multiply(Addresses at, Product product, boolean accumulate, cublasLtMatmulAlgo_t algorithm) {
        setLayouts(product.shape);
        Address addressC = new Address(at.c);
        return cublasLtMatmul(
                handle,
                description(product),
                alpha.put(product.shape.alpha()),
                new Address(at.b),
                layoutB,
                new Address(at.a),
                layoutA,
                accumulate ? one : zero,
                addressC,
                layoutC,
                addressC,
                layoutC,
                algorithm,
                new Address(workspace),
                WORKSPACE_BYTES,
                stream);
    }

    private cublasLtMatmulAlgo_t algorithm(Product product) {
        MatmulShape shape = product.shape;
        cublasLtMatmulAlgo_t known = algorithms.get(product);
        if (known != null) {
            return known;
        }
        setLayouts(shape);
        prefer(
                CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
                shape.transposeA() ? CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE : CUBLASLT_REDUCTION_SCHEME_NONE);
        cublasLtMatmulHeuristicResult_t result = own(new cublasLtMatmulHeuristicResult_t());
        int status = choose(product, result);
        if (status != 0 && !shape.transposeA() && cublasLtGetVersion() >= SINCE_BATCH_INVARIANCE) {
            LOG.log(System.Logger.Level.DEBUG, "cuBLASLt has no algorithm for {0} with its batch invariance", product);
            set(description(product), BATCH_INVARIANCE_FLAGS, INVARIANCE_DISABLED);
            status = choose(product, result);
        }
        if (status != 0) {
            throw failure(status, "choosing an algorithm for " + product);
        }
        cublasLtMatmulAlgo_t algorithm = result.algo();
        algorithms.put(product, algorithm);
        return algorithm;
    }

    /** Asks cuBLASLt for the best algorithm. Returns a status, 0 if there is one. */
    private int choose(Product product, cublasLtMatmulHeuristicResult_t result) {
        int[] count = new int[1];
        int status = cublasLtMatmulAlgoGetHeuristic(
                handle, description(product), layoutB, layoutA, layoutC, layoutC, preference, 1, result, count);
        return status == 0 && count[0] == 0 ? CUBLAS_STATUS_NOT_SUPPORTED : status;
    }

    private cublasLtMatmulDescOpaque_t description(Product product) {
        return descriptions.get(product.description());
    }

    /** Sets the layouts of the three matrices as stored: row-major, read as column-major. */
    private void setLayouts(MatmulShape shape) {
        long m = shape.m();
        long n = shape.n();
        long k = shape.k();
        setLayout(layoutC, shape.output(), n, m, shape.strides().c());
        setLayout(
                layoutA,
                shape.inputs(),
                shape.transposeA() ? m : k,
                shape.transposeA() ? k : m,
                shape.strides().a());
        setLayout(
                layoutB,
                shape.inputs(),
                shape.transposeB() ? k : n,
                shape.transposeB() ? n : k,
                shape.strides().b());
    }

    private static void setLayout(
            cublasLtMatrixLayoutOpaque_t layout, DType dtype, long width, long rows, long stride) {
        int type = dtype == DType.BF16 ? CUDA_R_16BF : CUDA_R_32F;
        check(cublasLtMatrixLayoutInit(layout, type, width, rows, stride), "cublasLtMatrixLayoutInit");
    }

    private static void check(int status, String call) {
        if (status != 0) {
            throw failure(status, call);
        }
    }

    private static Dpo4jException failure(int status, String call) {
        return new Dpo4jException(
                call + " failed: " + cublasLtGetStatusName(status).getString());
    }

    /** Frees everything, also after a failure; throws the first failure. The stream must have no product left. */
    @Override
    public void close() {
        owned.forEach(Pointer::close);
        int destroyed = handle.isNull() ? 0 : cublasLtDestroy(handle);
        int freed = CudaRuntime.free(workspace);
        check(destroyed, "cublasLtDestroy");
        CudaRuntime.check(freed, "cudaFree");
    }
}
