from typing import Any

from django.db import migrations, models

from erp_site.core.search import sort_all


def fill(apps: Any, schema_editor: Any) -> None:
    sort_all(apps.get_model('catalog', 'product'))


class Migration(migrations.Migration):

    dependencies = [
        ('catalog', '0002_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='product',
            name='sorted_name',
            field=models.CharField(default='', editable=False, max_length=255),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_name',
        ),
        migrations.RemoveIndex(
            model_name='product',
            name='product_by_active',
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['sorted_name', 'id', 'is_active', 'price', 'low_stock_threshold', 'deleted_at'], name='product_by_name'),
        ),
        migrations.AddIndex(
            model_name='product',
            index=models.Index(fields=['is_active', 'sorted_name', 'id', 'deleted_at'], name='product_by_active'),
        ),
    ]
