package org.dpo4j.bench.device;

import org.dpo4j.bench.device.Benchmark.Prepared;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.decoder.GradientNorm;

/**
 * What the memory of this machine gives. Copy is cudaMemcpyAsync from device to device, write cudaMemsetAsync, and read is gradient_norm, which
 * reads fp32 and writes 8 bytes.
 */
final class RooflineBenchmark {
    private RooflineBenchmark() {}

    static Prepared copy(Fixture fixture) {
        long bytes = fixture.at("bytes");
        Tensor to = fixture.zeros(DType.F32, bytes / Float.BYTES);
        Tensor from = fixture.normal(DType.F32, 1, bytes / Float.BYTES);
        return new Prepared(
                turn -> fixture.device().copy(to.at(turn), from.at(turn), bytes),
                gate -> gate.value("last", from.read(from.count() - 1), to.read(to.count() - 1), 0));
    }

    static Prepared write(Fixture fixture) {
        Tensor to = fixture.zeros(DType.F32, fixture.at("bytes") / Float.BYTES);
        return new Prepared(
                turn -> fixture.device().fill(to.at(turn), 0x11, fixture.at("bytes")),
                gate -> gate.value("last", 0x11111111, to.readInt(to.count() - 1), 0));
    }

    static Prepared read(Fixture fixture) {
        long count = fixture.at("bytes") / Float.BYTES;
        Tensor norm = fixture.zeros(DType.F32, 2);
        Tensor gradient = fixture.normal(DType.F32, 1, count);
        long workspace = fixture.workspace(GradientNorm.workspaceBytes(count));
        return new Prepared(
                turn -> GradientNorm.compute(fixture.device(), norm.at(turn), workspace, gradient.at(turn), count, 1),
                // Of so many normal numbers the squares have a mean of 1, within a few times sqrt(2 / count) of the
                // pool's.
                gate -> gate.value("norm", Math.sqrt((double) count), norm.read(0), 0.05 * Math.sqrt((double) count)));
    }
}
