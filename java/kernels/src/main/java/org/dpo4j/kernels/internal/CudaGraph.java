package org.dpo4j.kernels.internal;

import static org.bytedeco.cuda.global.cudart.cudaGetLastError;
import static org.bytedeco.cuda.global.cudart.cudaGraphDestroy;
import static org.bytedeco.cuda.global.cudart.cudaGraphExecDestroy;
import static org.bytedeco.cuda.global.cudart.cudaGraphGetNodes;
import static org.bytedeco.cuda.global.cudart.cudaGraphInstantiate;
import static org.bytedeco.cuda.global.cudart.cudaGraphLaunch;
import static org.bytedeco.cuda.global.cudart.cudaStreamBeginCapture;
import static org.bytedeco.cuda.global.cudart.cudaStreamCaptureModeThreadLocal;
import static org.bytedeco.cuda.global.cudart.cudaStreamEndCapture;

import java.util.function.Supplier;
import org.bytedeco.cuda.cudart.CUgraphExec_st;
import org.bytedeco.cuda.cudart.CUgraphNode_st;
import org.bytedeco.cuda.cudart.CUgraph_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.javacpp.SizeTPointer;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Dpo4jException;

/**
 * A CUDA graph of work on one stream. {@code device} makes the stream's device current. An executable graph may be
 * destroyed while it runs: CUDA frees it when it has finished.
 */
final class CudaGraph implements Device.Graph {
    private final Supplier<CurrentDevice> device;
    private final CUstream_st stream;
    private final CUgraphExec_st executable;
    private final long nodes;
    private boolean closed;

    private CudaGraph(Supplier<CurrentDevice> device, CUstream_st stream, CUgraphExec_st executable, long nodes) {
        this.device = device;
        this.stream = stream;
        this.executable = executable;
        this.nodes = nodes;
    }

    /** Captures in thread-local mode, so that other threads can use other devices and streams meanwhile. */
    static CudaGraph capture(Supplier<CurrentDevice> device, CUstream_st stream, Runnable work) {
        begin(device, stream);
        CUgraph_st graph = new CUgraph_st();
        try {
            work.run();
        } catch (RuntimeException | Error e) {
            abandon(device, stream, graph);
            throw e;
        }
        try (CurrentDevice current = device.get()) {
            CudaRuntime.check(cudaStreamEndCapture(stream, graph), "cudaStreamEndCapture of a graph");
            return instantiate(device, stream, graph);
        }
    }

    private static void begin(Supplier<CurrentDevice> device, CUstream_st stream) {
        try (CurrentDevice current = device.get()) {
            int error = cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal);
            CudaRuntime.check(error, "cudaStreamBeginCapture of a graph");
        }
    }

    /** Ends the capture of work that threw. Ignores CUDA errors: the exception of the work says more. */
    private static void abandon(Supplier<CurrentDevice> device, CUstream_st stream, CUgraph_st graph) {
        try (CurrentDevice current = device.get()) {
            if (cudaStreamEndCapture(stream, graph) == 0) {
                cudaGraphDestroy(graph);
            }
            cudaGetLastError();
        }
    }

    private static CudaGraph instantiate(Supplier<CurrentDevice> device, CUstream_st stream, CUgraph_st graph) {
        try (SizeTPointer nodes = new SizeTPointer(1)) {
            CUgraphNode_st none = null; // so that only the number of nodes is returned
            CudaRuntime.check(cudaGraphGetNodes(graph, none, nodes), "cudaGraphGetNodes");
            CUgraphExec_st executable = new CUgraphExec_st();
            CudaRuntime.check(cudaGraphInstantiate(executable, graph, 0), "cudaGraphInstantiate");
            return new CudaGraph(device, stream, executable, nodes.get());
        } finally {
            cudaGraphDestroy(graph);
        }
    }

    @Override
    public long nodes() {
        return nodes;
    }

    @Override
    public void launch() {
        if (closed) {
            throw new Dpo4jException("this graph is closed, so it cannot be launched");
        }
        try (CurrentDevice current = device.get()) {
            int error = cudaGraphLaunch(executable, stream);
            if (error != 0) {
                throw CudaRuntime.failure(error, "cudaGraphLaunch");
            }
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            CudaRuntime.check(cudaGraphExecDestroy(executable), "cudaGraphExecDestroy");
        }
    }
}
