package org.dpo4j.train;

import java.nio.file.Path;
import picocli.CommandLine.Mixin;

/** Builds the options of a training whose loss may have a reference. The fields of {@link ReferenceOptions} document them. */
public abstract class ReferenceOptionsBuilder<B extends ReferenceOptionsBuilder<B>> extends TrainOptionsBuilder<B> {

    @Mixin
    private final ReferenceOptions reference = new ReferenceOptions();

    ReferenceOptionsBuilder(double learningRate, SamplingStrategy defaultOrder) {
        super(learningRate, defaultOrder);
    }

    public B refModelNameOrPath(Path value) {
        reference.refModelNameOrPath = value;
        return self();
    }

    public B refModelRevision(String value) {
        reference.refModelRevision = value;
        return self();
    }

    public B precomputeRefLogProbs(boolean value) {
        reference.precomputeRefLogProbs = value;
        return self();
    }

    public B syncRefModel(boolean value) {
        reference.syncRefModel = value;
        return self();
    }

    public B refModelMixupAlpha(double value) {
        reference.refModelMixupAlpha = value;
        return self();
    }

    public B refModelSyncSteps(int value) {
        reference.refModelSyncSteps = value;
        return self();
    }

    public B referenceCache(boolean value) {
        reference.referenceCache = value;
        return self();
    }

    public B referenceCacheDir(Path value) {
        reference.referenceCacheDir = value;
        return self();
    }

    @Override
    final ReferenceOptions referenceOptions() {
        return reference;
    }
}
