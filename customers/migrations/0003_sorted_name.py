from typing import Any

from django.db import migrations, models

from erp_site.core.search import sort_all


def fill(apps: Any, schema_editor: Any) -> None:
    sort_all(apps.get_model('customers', 'customer'))


class Migration(migrations.Migration):

    dependencies = [
        ('customers', '0002_lists'),
    ]

    operations = [
        migrations.AddField(
            model_name='customer',
            name='sorted_name',
            field=models.CharField(default='', editable=False, max_length=255),
            preserve_default=False,
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_name',
        ),
        migrations.RemoveIndex(
            model_name='customer',
            name='customer_by_active',
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['sorted_name', 'id', 'is_active', 'created_at', 'deleted_at'], name='customer_by_name'),
        ),
        migrations.AddIndex(
            model_name='customer',
            index=models.Index(fields=['is_active', 'sorted_name', 'id', 'deleted_at'], name='customer_by_active'),
        ),
    ]
