/** A program outside dpo4j, as a module. It needs only these {@code requires} to run on the module path. */
module com.example.consumer {
    requires org.dpo4j.kernels;
    requires org.dpo4j.trainer;
}
