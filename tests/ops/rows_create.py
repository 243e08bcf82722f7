"""Rows of functions that make tensors."""

ELSEWHERE = {
    **dict.fromkeys(("tensor", "as_tensor", "from_numpy", "zeros", "ones", "full", "arange", "eye"), "test_create.py"),
    **dict.fromkeys(("rand", "randn"), "test_create.py"),
    "result_type": "test_promotion.py",
    "Tensor.backward": "../autograd/test_engine.py",
    **dict.fromkeys(
        ("Tensor.numpy", "Tensor.__array__", "Tensor.cuda", "Tensor.__repr__", "Tensor.__format__", "Tensor.__hash__"),
        "test_methods.py",
    ),
}
