package org.dpo4j.train;

import java.nio.file.Path;
import org.dpo4j.data.OnBadRow;
import org.dpo4j.data.TruncationMode;
import org.dpo4j.model.SavedDtype;
import picocli.CommandLine.Mixin;

/** The setters of {@link TrainOptionsBuilder} for model, device, rows, output and checkpoints. */
public abstract class FileOptionsBuilder<B extends FileOptionsBuilder<B>> {

    @Mixin
    final ModelOptions model = new ModelOptions();

    @Mixin
    final HubOptions hub = new HubOptions();

    @Mixin
    final DeviceOptions device = new DeviceOptions();

    @Mixin
    final DataOptions data = new DataOptions();

    @Mixin
    final OutputOptions output = new OutputOptions();

    @Mixin
    final CheckpointOptions checkpoint = new CheckpointOptions();

    FileOptionsBuilder() {}

    abstract B self();

    public B modelNameOrPath(Path value) {
        model.modelNameOrPath = value;
        return self();
    }

    public B modelRevision(String value) {
        model.modelRevision = value;
        return self();
    }

    public B download(boolean value) {
        hub.download = value;
        return self();
    }

    public B datasetName(Path value) {
        data.datasetName = value;
        return self();
    }

    public B datasets(DatasetList value) {
        data.datasets = value;
        return self();
    }

    public B datasetConfig(String value) {
        data.datasetConfig = value;
        return self();
    }

    public B datasetTrainSplit(String value) {
        data.datasetTrainSplit = value;
        return self();
    }

    public B datasetTestSplit(String value) {
        data.datasetTestSplit = value;
        return self();
    }

    public B outputDir(Path value) {
        output.outputDir = value;
        return self();
    }

    public B overwriteOutputDir(boolean value) {
        output.overwriteOutputDir = value;
        return self();
    }

    public B saveDtype(SavedDtype value) {
        output.saveDtype = value;
        return self();
    }

    public B maxShardSize(String value) {
        output.maxShardSize = value;
        return self();
    }

    public B saveStrategy(SaveStrategy value) {
        checkpoint.saveStrategy = value;
        return self();
    }

    public B saveSteps(double value) {
        checkpoint.saveSteps = value;
        return self();
    }

    public B saveTotalLimit(int value) {
        checkpoint.saveTotalLimit = value;
        return self();
    }

    public B onFailedCheckpoint(OnFailedCheckpoint value) {
        checkpoint.onFailedCheckpoint = value;
        return self();
    }

    public B saveOnlyModel(boolean value) {
        checkpoint.saveOnlyModel = value;
        return self();
    }

    /** {@code true}, or the path of a checkpoint. */
    public B resumeFromCheckpoint(String value) {
        checkpoint.resumeFromCheckpoint = value;
        return self();
    }

    public B device(String value) {
        device.device = value;
        return self();
    }

    public B dtype(Precision value) {
        model.dtype = value;
        return self();
    }

    public B onBadRow(OnBadRow value) {
        data.onBadRow = value;
        return self();
    }

    public B datasetCacheDir(Path value) {
        data.datasetCacheDir = value;
        return self();
    }

    public B datasetCache(boolean value) {
        data.datasetCache = value;
        return self();
    }

    public B maxLength(int value) {
        data.maxLength = value;
        return self();
    }

    public B truncationMode(TruncationMode value) {
        data.truncationMode = value;
        return self();
    }

    public B maxPromptLength(int value) {
        data.maxPromptLength = value;
        return self();
    }

    public B maxCompletionLength(int value) {
        data.maxCompletionLength = value;
        return self();
    }

    public B dropDuplicates(boolean value) {
        data.dropDuplicates = value;
        return self();
    }

    public B dropContradictions(boolean value) {
        data.dropContradictions = value;
        return self();
    }

    public B keepEos(boolean value) {
        data.keepEos = value;
        return self();
    }
}
