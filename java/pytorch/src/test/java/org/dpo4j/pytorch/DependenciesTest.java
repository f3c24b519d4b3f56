package org.dpo4j.pytorch;

import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideInAPackage;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.resideOutsideOfPackages;
import static com.tngtech.archunit.core.domain.JavaClass.Predicates.simpleName;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;

import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;

/**
 * The types that the adapter may use. Rules are methods, because Surefire neither counts rules that are fields nor
 * reports when they fail.
 */
@AnalyzeClasses(packages = "org.dpo4j.pytorch", importOptions = ImportOption.DoNotIncludeTests.class)
class DependenciesTest {

    @ArchTest
    static void dependsOnlyOnThePublicPackageOfTheKernels(JavaClasses all) {
        noClasses()
                .should()
                .dependOnClassesThat(resideInAPackage("org.dpo4j..")
                        .and(resideOutsideOfPackages("org.dpo4j.kernels", "org.dpo4j.pytorch")))
                .check(all);
    }

    /** A class that uses libtorch's CUDA bindings cannot be loaded without a GPU driver. */
    @ArchTest
    static void cudaIsNamedInOneClass(JavaClasses all) {
        noClasses()
                .that()
                .doNotHaveSimpleName("CurrentCudaStream")
                .should()
                .dependOnClassesThat(resideInAPackage("org.bytedeco.cuda..")
                        .or(resideInAPackage("org.bytedeco.pytorch.cuda.."))
                        .or(simpleName("torch_cuda")))
                .check(all);
    }

    @ArchTest
    static void twoTypesArePublic(JavaClasses all) {
        classes()
                .that()
                .areTopLevelClasses()
                .and()
                .arePublic()
                .should()
                .be(TorchDevice.class)
                .orShould()
                .be(TorchPreferenceLoss.class)
                .check(all);
    }
}
